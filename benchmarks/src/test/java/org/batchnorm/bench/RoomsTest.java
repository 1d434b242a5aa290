package org.batchnorm.bench;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.library.dependencies.SliceAssignment;
import com.tngtech.archunit.library.dependencies.SliceIdentifier;
import org.junit.jupiter.api.Test;

/** Who may know whom in the harness: the rooms of this package's comment. */
class RoomsTest {
    private static final JavaClasses CLASSES = new ClassFileImporter()
            .withImportOption(new ImportOption.DoNotIncludeTests())
            .importPackages("org.batchnorm.bench");

    private static final String ROOT = "org.batchnorm.bench.";

    @Test
    void arrowsPointDown() {
        layeredArchitecture()
                .consideringOnlyDependenciesInAnyPackage("org.batchnorm.bench..")
                .layer("cli")
                .definedBy(ROOT + "cli..")
                .layer("jmh")
                .definedBy(ROOT + "jmh..")
                .layer("experiments")
                .definedBy(ROOT + "experiments..")
                .layer("peers")
                .definedBy(ROOT + "peers..")
                .layer("workload")
                .definedBy(ROOT + "workload..")
                .layer("output")
                .definedBy(ROOT + "output..")
                .ensureAllClassesAreContainedInArchitectureIgnoring("org.batchnorm.bench")
                .whereLayer("cli")
                .mayNotBeAccessedByAnyLayer()
                .whereLayer("jmh")
                .mayOnlyBeAccessedByLayers("cli")
                .whereLayer("experiments")
                .mayOnlyBeAccessedByLayers("cli")
                .whereLayer("peers")
                .mayOnlyBeAccessedByLayers("cli", "jmh")
                .whereLayer("workload")
                .mayOnlyBeAccessedByLayers("cli", "jmh", "peers")
                .whereLayer("output")
                .mayOnlyBeAccessedByLayers("cli", "jmh", "experiments")
                .check(CLASSES);
    }

    @Test
    void noRoomOfARoomLeadsBack() {
        slices().assignedFrom(new EachPackage()).should().beFreeOfCycles().check(CLASSES);
    }

    /** What is stored can be read, compared and drawn without measuring anything. */
    @Test
    void resultsKnowNoHarness() {
        noClasses()
                .that()
                .resideInAPackage("..jmh.results..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("org.openjdk.jmh..", "..jmh.session..", "..jmh.device..")
                .check(CLASSES);
    }

    /** Every package is a slice. */
    private static final class EachPackage implements SliceAssignment {
        @Override
        public SliceIdentifier getIdentifierOf(JavaClass javaClass) {
            return SliceIdentifier.of(javaClass.getPackageName());
        }

        @Override
        public String getDescription() {
            return "each package";
        }
    }
}

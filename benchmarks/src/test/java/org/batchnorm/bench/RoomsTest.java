package org.batchnorm.bench;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import com.tngtech.archunit.library.dependencies.SliceAssignment;
import com.tngtech.archunit.library.dependencies.SliceIdentifier;

/** Who may know whom in the harness: the rooms of this package's comment. */
@AnalyzeClasses(packages = "org.batchnorm.bench", importOptions = ImportOption.DoNotIncludeTests.class)
class RoomsTest {
    private static final String ROOT = "org.batchnorm.bench.";

    @ArchTest
    static final ArchRule arrowsPointDown = layeredArchitecture()
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
            .mayOnlyBeAccessedByLayers("cli", "jmh", "experiments");

    @ArchTest
    static final ArchRule noRoomOfARoomLeadsBack =
            slices().assignedFrom(new EachPackage()).should().beFreeOfCycles();

    /** What is stored can be read, compared and drawn without measuring anything. */
    @ArchTest
    static final ArchRule resultsKnowNoHarness = noClasses()
            .that()
            .resideInAPackage("..jmh.results..")
            .should()
            .dependOnClassesThat()
            .resideInAnyPackage("org.openjdk.jmh..", "..jmh.session..", "..jmh.device..");

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

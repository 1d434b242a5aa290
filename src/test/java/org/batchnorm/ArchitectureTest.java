package org.batchnorm;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.GeneralCodingRules.NO_CLASSES_SHOULD_ACCESS_STANDARD_STREAMS;
import static com.tngtech.archunit.library.GeneralCodingRules.NO_CLASSES_SHOULD_USE_JAVA_UTIL_LOGGING;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.library.dependencies.SliceAssignment;
import com.tngtech.archunit.library.dependencies.SliceIdentifier;
import org.junit.jupiter.api.Test;

/** Who may know whom in the library. */
class ArchitectureTest {
    private static final JavaClasses CLASSES = new ClassFileImporter()
            .withImportOption(new ImportOption.DoNotIncludeTests())
            .importPackages("org.batchnorm");

    @Test
    void backendsDoNotKnowTheirJudge() {
        noClasses()
                .that()
                .resideOutsideOfPackage("..conformance..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("..conformance..")
                .check(CLASSES);
    }

    @Test
    void theInterfaceKnowsNoBackend() {
        noClasses()
                .that()
                .resideInAnyPackage("org.batchnorm", "..data..", "..spi..", "..state..", "..conformance..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("..cpu..")
                .check(CLASSES);
    }

    @Test
    void backendsSeeTheInterfaceAndTheShape() {
        noClasses()
                .that()
                .resideInAPackage("..cpu..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("org.batchnorm")
                .orShould()
                .dependOnClassesThat()
                .resideInAPackage("..state..")
                .check(CLASSES);
    }

    @Test
    void onlyVectorKernelsTouchTheIncubatorModule() {
        noClasses()
                .that()
                .resideOutsideOfPackage("org.batchnorm.cpu.kernel.vector")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("jdk.incubator..")
                .check(CLASSES);
    }

    @Test
    void theEngineIsPassedThroughOneWay() {
        layeredArchitecture()
                .consideringOnlyDependenciesInAnyPackage("org.batchnorm.cpu..")
                .layer("door")
                .definedBy("org.batchnorm.cpu")
                .layer("float64")
                .definedBy("org.batchnorm.cpu.float64")
                .layer("pass")
                .definedBy("org.batchnorm.cpu.pass")
                .layer("operation")
                .definedBy("org.batchnorm.cpu.operation")
                .layer("kernels")
                .definedBy("org.batchnorm.cpu.kernel..")
                .layer("cut")
                .definedBy("org.batchnorm.cpu.cut")
                .whereLayer("door")
                .mayNotBeAccessedByAnyLayer()
                .whereLayer("float64")
                .mayOnlyBeAccessedByLayers("door")
                .whereLayer("pass")
                .mayOnlyBeAccessedByLayers("door", "float64")
                .whereLayer("operation")
                .mayOnlyBeAccessedByLayers("door", "pass")
                .whereLayer("kernels")
                .mayOnlyBeAccessedByLayers("door", "pass", "operation")
                .check(CLASSES);
    }

    @Test
    void tensorsStandAlone() {
        classes()
                .that()
                .resideInAPackage("..state..")
                .should()
                .onlyDependOnClassesThat()
                .resideInAnyPackage("..state..", "java..", "com.fasterxml.jackson.core..", "org.jspecify..")
                .check(CLASSES);
    }

    @Test
    void dataStandAlone() {
        classes()
                .that()
                .resideInAPackage("..data..")
                .should()
                .onlyDependOnClassesThat()
                .resideInAnyPackage("..data..", "java..", "org.jspecify..")
                .check(CLASSES);
    }

    @Test
    void theInterfaceKnowsTheDataAlone() {
        classes()
                .that()
                .resideInAPackage("..spi..")
                .should()
                .onlyDependOnClassesThat()
                .resideInAnyPackage("..spi..", "..data..", "java..", "org.jspecify..")
                .check(CLASSES);
    }

    @Test
    void onlyStateReadsJson() {
        noClasses()
                .that()
                .resideOutsideOfPackage("..state..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("com.fasterxml..")
                .check(CLASSES);
    }

    @Test
    void packagesHaveNoCycles() {
        slices().assignedFrom(new EachPackage()).should().beFreeOfCycles().check(CLASSES);
    }

    @Test
    void aLibraryPrintsNothing() {
        NO_CLASSES_SHOULD_ACCESS_STANDARD_STREAMS.check(CLASSES);
    }

    @Test
    void logsGoThroughSystemLogger() {
        NO_CLASSES_SHOULD_USE_JAVA_UTIL_LOGGING.check(CLASSES);
    }

    /** Every package is a slice, the layer's own among them. */
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

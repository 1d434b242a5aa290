package org.batchnorm;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static com.tngtech.archunit.library.GeneralCodingRules.NO_CLASSES_SHOULD_ACCESS_STANDARD_STREAMS;
import static com.tngtech.archunit.library.GeneralCodingRules.NO_CLASSES_SHOULD_USE_JAVA_UTIL_LOGGING;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;

import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.junit.AnalyzeClasses;
import com.tngtech.archunit.junit.ArchTest;
import com.tngtech.archunit.lang.ArchRule;
import com.tngtech.archunit.library.dependencies.SliceAssignment;
import com.tngtech.archunit.library.dependencies.SliceIdentifier;

/** Who may know whom in the library. */
@AnalyzeClasses(packages = "org.batchnorm", importOptions = ImportOption.DoNotIncludeTests.class)
class ArchitectureTest {

    @ArchTest
    static final ArchRule backendsDoNotKnowTheirJudge = noClasses()
            .that()
            .resideOutsideOfPackage("..conformance..")
            .should()
            .dependOnClassesThat()
            .resideInAPackage("..conformance..");

    @ArchTest
    static final ArchRule theInterfaceKnowsNoBackend = noClasses()
            .that()
            .resideInAnyPackage("org.batchnorm", "..data..", "..spi..", "..state..", "..conformance..")
            .should()
            .dependOnClassesThat()
            .resideInAPackage("..cpu..");

    @ArchTest
    static final ArchRule backendsSeeTheInterfaceAndTheShape = noClasses()
            .that()
            .resideInAPackage("..cpu..")
            .should()
            .dependOnClassesThat()
            .resideInAPackage("org.batchnorm")
            .orShould()
            .dependOnClassesThat()
            .resideInAPackage("..state..");

    @ArchTest
    static final ArchRule onlyVectorKernelsTouchTheIncubatorModule = noClasses()
            .that()
            .resideOutsideOfPackage("org.batchnorm.cpu.kernel.vector")
            .should()
            .dependOnClassesThat()
            .resideInAPackage("jdk.incubator..");

    @ArchTest
    static final ArchRule theEngineIsPassedThroughOneWay = layeredArchitecture()
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
            .mayOnlyBeAccessedByLayers("door", "pass", "operation");

    @ArchTest
    static final ArchRule tensorsStandAlone = classes()
            .that()
            .resideInAPackage("..state..")
            .should()
            .onlyDependOnClassesThat()
            .resideInAnyPackage("..state..", "java..", "com.fasterxml.jackson.core..", "org.jspecify..");

    @ArchTest
    static final ArchRule dataStandAlone = classes()
            .that()
            .resideInAPackage("..data..")
            .should()
            .onlyDependOnClassesThat()
            .resideInAnyPackage("..data..", "java..", "org.jspecify..");

    @ArchTest
    static final ArchRule theInterfaceKnowsTheDataAlone = classes()
            .that()
            .resideInAPackage("..spi..")
            .should()
            .onlyDependOnClassesThat()
            .resideInAnyPackage("..spi..", "..data..", "java..", "org.jspecify..");

    @ArchTest
    static final ArchRule onlyStateReadsJson = noClasses()
            .that()
            .resideOutsideOfPackage("..state..")
            .should()
            .dependOnClassesThat()
            .resideInAPackage("com.fasterxml..");

    @ArchTest
    static final ArchRule packagesHaveNoCycles =
            slices().assignedFrom(new EachPackage()).should().beFreeOfCycles();

    @ArchTest
    static final ArchRule aLibraryPrintsNothing = NO_CLASSES_SHOULD_ACCESS_STANDARD_STREAMS;

    @ArchTest
    static final ArchRule logsGoThroughSystemLogger = NO_CLASSES_SHOULD_USE_JAVA_UTIL_LOGGING;

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

/**
 * Batch normalization with PyTorch's conventions: a layer, a function without state, and the backends that do the work
 * on the CPU. Other backends are found as services.
 *
 * <p>The {@code vector} backend wants {@code --add-modules jdk.incubator.vector}; without it the {@code scalar} one
 * does the work.
 */
module org.batchnorm {
    exports org.batchnorm;
    exports org.batchnorm.conformance;
    exports org.batchnorm.data;
    exports org.batchnorm.spi;
    exports org.batchnorm.state;

    requires com.fasterxml.jackson.core;
    requires static jdk.incubator.vector;
    requires static jdk.management;
    requires static transitive org.jspecify;

    uses org.batchnorm.spi.BatchNormBackend;

    provides org.batchnorm.spi.BatchNormBackend with
            org.batchnorm.cpu.VectorBackend,
            org.batchnorm.cpu.ScalarBackend;
}

package org.batchnorm.float64;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.batchnorm.BatchNorm;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.BatchNormFunction;
import org.batchnorm.Parameters;
import org.batchnorm.SavedStatistics;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.spi.BackendOptions;
import org.batchnorm.spi.Backends;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;
import org.junit.jupiter.api.Test;

/** What does not go together with FLOAT64, by name and before anything is changed. */
class RefusalTest {
    private static final BatchShape SHAPE = BatchShape.of(4, 3);

    private static BatchNorm layer(ElementType type) {
        return BatchNorm.builder(3).elementType(type).build();
    }

    private static void refuses(ThrowingCallable call, Class<?> type, String message) {
        assertThatThrownBy(call).isInstanceOf(type).hasMessageContaining(message);
    }

    @Test
    void batchesOfTheOtherKind() {
        Batch doubles = Batch.of(new double[12], SHAPE);
        Batch floats = Batch.of(new float[12], SHAPE);
        Batch shorts = Batch.of(new short[12], ElementType.BFLOAT16, SHAPE);
        try (BatchNorm layer = layer(ElementType.FLOAT64)) {
            layer.forward(doubles, doubles);
            String right = "given, must be FLOAT64, as the layer is of FLOAT64; elementType(FLOAT32) builds";
            for (Batch other : List.of(floats, shorts)) {
                String given = ": " + other.type() + " " + right;
                refuses(() -> layer.forward(other, doubles), IllegalArgumentException.class, "x" + given);
                refuses(() -> layer.forward(doubles, other), IllegalArgumentException.class, "y" + given);
                refuses(
                        () -> layer.forward(doubles, other, doubles),
                        IllegalArgumentException.class,
                        "residual" + given);
                refuses(() -> layer.backward(doubles, other, doubles), IllegalArgumentException.class, "dy" + given);
                refuses(() -> layer.backward(doubles, doubles, other), IllegalArgumentException.class, "dx" + given);
            }
            assertThat(layer.numBatchesTracked()).isEqualTo(1);
        }
        try (BatchNorm layer = layer(ElementType.FLOAT32)) {
            String given = ": FLOAT64 given, must be FLOAT32, FLOAT16 or BFLOAT16, as the layer is of FLOAT32;"
                    + " elementType(FLOAT64) builds";
            refuses(() -> layer.forward(doubles, floats), IllegalArgumentException.class, "x" + given);
            refuses(() -> layer.forward(floats, doubles), IllegalArgumentException.class, "y" + given);
            assertThat(layer.numBatchesTracked()).isZero();
        }
    }

    /** Who calls a backend without a layer is told as well. */
    @Test
    void tensorsOfBothKindsGivenToABackend() {
        Batch doubles = Batch.of(new double[12], SHAPE);
        Batch floats = Batch.of(new float[12], SHAPE);
        BatchStatistics statistics = new BatchStatistics(3, ElementType.FLOAT64);
        Normalization normalization = Normalization.of(null, null, 1e-5, statistics, true);
        for (String backend : List.of("vector", "scalar")) {
            try (BatchNormOperations operations = Backends.open(
                            Optional.of(backend), BackendOptions.fromSystemProperties())
                    .operations()) {
                refuses(
                        () -> operations.forward(new Tensors().forward(doubles, floats), normalization),
                        IllegalArgumentException.class,
                        "y: FLOAT32 given beside x of FLOAT64, must be FLOAT64");
                refuses(
                        () -> operations.forward(new Tensors().forward(floats, doubles), normalization),
                        IllegalArgumentException.class,
                        "y: FLOAT64 given beside x of FLOAT32, must not be FLOAT64");
            }
            assertThat(statistics.count()).isZero();
        }
    }

    @Test
    void arraysOfTheOtherKind() {
        try (BatchNorm layer = layer(ElementType.FLOAT64)) {
            for (ThrowingCallable call : List.<ThrowingCallable>of(
                    layer::weight,
                    layer::bias,
                    layer::weightGradient,
                    layer::biasGradient,
                    layer::runningMean,
                    layer::runningVar)) {
                refuses(call, IllegalStateException.class, "of a layer of FLOAT64 are in a double[]");
            }
            SavedStatistics saved = new SavedStatistics(3);
            layer.forward(Batch.of(new double[12], SHAPE), Batch.of(new double[12], SHAPE), saved);
            refuses(saved::mean, IllegalStateException.class, "of a layer of FLOAT64 are in a double[]");
            assertThat(saved.doubleMean()).containsOnly(0);
        }
        try (BatchNorm layer = layer(ElementType.FLOAT32)) {
            refuses(layer::doubleWeight, IllegalStateException.class, "of a layer of FLOAT32 are in a float[]");
            refuses(layer::doubleRunningVar, IllegalStateException.class, "elementType(FLOAT64) builds one");
        }
        try (BatchNorm layer = BatchNorm.builder(3)
                .elementType(ElementType.FLOAT64)
                .affine(false)
                .trackRunningStatistics(false)
                .build()) {
            refuses(layer::doubleBias, IllegalStateException.class, "affine(false)");
            refuses(layer::doubleRunningMean, IllegalStateException.class, "trackRunningStatistics(false)");
        }
    }

    @Test
    void aFunctionTakesDoublesAlone() {
        Batch x = Batch.of(new double[12], SHAPE);
        try (BatchNormFunction function =
                BatchNormFunction.builder(3).elementType(ElementType.FLOAT64).build()) {
            double[] ones = {1, 1, 1};
            Parameters floats = Parameters.of(new float[] {1, 1, 1}, null);
            Parameters doubles = Parameters.ofDoubles(ones, null, new double[3], new double[3]);
            SavedStatistics saved = new SavedStatistics(3);
            refuses(
                    () -> function.forward(x, x, floats, saved),
                    IllegalArgumentException.class,
                    "gamma: a float[] given, must be a double[], as the function is of FLOAT64");
            refuses(
                    () -> function.inference(x, x, doubles, new float[3], new float[3]),
                    IllegalArgumentException.class,
                    "mean: a float[] given, must be a double[]");
            refuses(
                    () -> function.inference(x, x, doubles, ones, new double[2]),
                    IllegalArgumentException.class,
                    "variance: double[2] given, must have one value for each of the function's 3 features");
            function.inference(x, x, doubles, ones, ones);
            assertThat(x.doubles()).containsOnly(-1 / Math.sqrt(1 + 1e-5));
            function.inference(x, x, doubles, ones, ones, saved);
            function.backward(Batch.of(new double[12], SHAPE), x, x, doubles, saved);
            assertThat(doubles.doubleDbeta()).doesNotContain(0);
            refuses(doubles::dbeta, IllegalStateException.class, "in a double[]");
        }
    }

    @Test
    void elementTypesOfALayer() {
        for (ElementType type : List.of(ElementType.FLOAT16, ElementType.BFLOAT16)) {
            String message = "elementType: " + type + " given, must be FLOAT32 or FLOAT64; a layer of FLOAT32 takes";
            refuses(() -> layer(type), IllegalArgumentException.class, message);
            refuses(
                    () -> BatchNormFunction.builder(3).elementType(type).build(),
                    IllegalArgumentException.class,
                    message);
        }
        refuses(() -> BatchNorm.builder(3).elementType(null), IllegalArgumentException.class, "elementType: null");
        BatchNormConfig config =
                new BatchNormConfig(3, 1e-3, BatchNormConfig.of(3).momentum(), true, true, ElementType.FLOAT64);
        try (BatchNorm layer = BatchNorm.of(config)) {
            assertThat(layer.config()).isEqualTo(config);
            layer.momentum(0.25);
            assertThat(layer.config().elementType()).isEqualTo(ElementType.FLOAT64);
            assertThat(layer.doubleWeight()).containsOnly(1);
        }
    }

    @Test
    void batchesAndSegmentsThatDoNotFit() {
        refuses(
                () -> Batch.of("x", new double[11], SHAPE),
                IllegalArgumentException.class,
                "x: double[11] given, must have at least the 12 elements");
        refuses(
                () -> Batch.of(MemorySegment.ofArray(new float[24]), ElementType.FLOAT64, SHAPE),
                IllegalArgumentException.class,
                "must be aligned to 8 (native memory at a multiple of it, or a heap segment over a double[])");
        refuses(
                () -> Batch.of(new short[12], ElementType.FLOAT64, SHAPE),
                IllegalArgumentException.class,
                "values of FLOAT64 are given in a double[] or a MemorySegment");
        Batch floats = Batch.of(new float[12], SHAPE);
        refuses(() -> floats.copyTo(0, new double[12], 0, 12), IllegalStateException.class, "of FLOAT32");
        refuses(floats::doubles, IllegalStateException.class, "not in a double[]");
    }

    @Test
    void batchesOfFloat64AreCopiedAndCut() {
        double[] values = {1, 2, 3, 4, 5, 1e300, 0.1, 8, 9, 10, 11, 12};
        Batch batch = Batch.of(values, SHAPE);
        float[] narrow = new float[3];
        batch.copyTo(5, narrow, 0, 2);
        assertThat(narrow).containsExactly(Float.POSITIVE_INFINITY, 0.1f, 0);
        batch.copyFrom(new float[] {0.25f}, 0, 11, 1);
        assertThat(values[11]).isEqualTo(0.25);
        double[] part = new double[3];
        batch.samples(1, 2).copyTo(2, part, 1, 2);
        assertThat(part).containsExactly(0, 1e300, 0.1);
        assertThat(batch.overlap(batch.samples(1, 2))).isEqualTo(48);
    }
}

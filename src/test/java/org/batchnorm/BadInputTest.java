package org.batchnorm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.batchnorm.conformance.Quantity;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.Layout;
import org.batchnorm.spi.BackendOptions;
import org.batchnorm.state.LoadOptions;
import org.batchnorm.state.Tensor;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Isolated;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Bad input: the message names the argument, what was given and what would be right, and nothing is changed. The layer
 * of these tests waits for a backward; after every refusal its state, its gradients and the output must be as before,
 * and that backward must still give what it would have given.
 */
@Isolated("sets system properties")
class BadInputTest {
    private static final int FEATURES = 3;
    private static final BatchShape SHAPE = BatchShape.of(4, FEATURES);
    private static final int ELEMENTS = 12;
    private static final float UNTOUCHED = 77;

    private final Values batch = Values.random(SHAPE, 1);
    private final float[] y = filled(ELEMENTS);
    private BatchNorm layer;
    private Map<String, Tensor> stateBefore;

    @BeforeEach
    void trainOnce() {
        layer = BatchNorm.builder(FEATURES).backend("scalar").build();
        layer.forward(batch.x(), new float[ELEMENTS], SHAPE);
        stateBefore = layer.state();
    }

    @AfterEach
    void nothingWasChanged() {
        assertThat(layer.state()).isEqualTo(stateBefore);
        assertThat(layer.weightGradient()).containsOnly(0);
        assertThat(layer.biasGradient()).containsOnly(0);
        assertThat(layer.isTraining()).isTrue();
        assertThat(y).containsOnly(UNTOUCHED);
        try (BatchNorm fresh = BatchNorm.builder(FEATURES).backend("scalar").build()) {
            Step expected = Step.run(fresh, new Values(SHAPE, batch.x(), batch.dy(), layer.weight(), layer.bias()));
            float[] dx = new float[ELEMENTS];
            layer.backward(batch.x(), batch.dy(), dx, SHAPE);
            Step.of(layer, SHAPE, expected.get(Quantity.Y), dx).isBitwise(expected);
        }
        layer.close();
    }

    // ---- configuration

    static Stream<Arguments> badConfigurations() {
        return Stream.of(
                configuration(() -> BatchNorm.builder(0), "features: 0 given, must be at least 1"),
                configuration(() -> BatchNorm.builder(-5), "features: -5 given, must be at least 1"),
                configuration(
                        () -> BatchNorm.builder(2).eps(0), "eps: 0.0 given, must be a finite number greater than 0"),
                configuration(
                        () -> BatchNorm.builder(2).eps(-1e-5),
                        "eps: -1.0E-5 given, must be a finite number greater than 0"),
                configuration(
                        () -> BatchNorm.builder(2).eps(Double.NaN),
                        "eps: NaN given, must be a finite number greater than 0"),
                configuration(
                        () -> BatchNorm.builder(2).eps(Double.POSITIVE_INFINITY),
                        "eps: Infinity given, must be a finite number greater than 0"),
                configuration(() -> BatchNorm.builder(2).momentum(-0.1), "momentum: -0.1 given, must be within [0, 1]"),
                configuration(() -> BatchNorm.builder(2).momentum(1.1), "momentum: 1.1 given, must be within [0, 1]"),
                configuration(
                        () -> BatchNorm.builder(2).momentum(Double.NaN), "momentum: NaN given, must be within [0, 1]"),
                configuration(() -> BatchNorm.builder(2).threads(0), "threads: 0 given, must be at least 1"),
                configuration(
                        () -> BatchNorm.builder(2).backend("cuda"), "backend: \"cuda\" given, must be one of auto, "),
                configuration(() -> BatchNorm.builder(2).backend(""), "backend: \"\" given, must be one of auto, "));
    }

    private static Arguments configuration(Supplier<BatchNormBuilder> builder, String message) {
        return arguments(message, builder);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("badConfigurations")
    void aBadConfigurationIsRefused(String message, Supplier<BatchNormBuilder> builder) {
        refused(() -> builder.get().build().close(), message);
    }

    @ParameterizedTest
    @ValueSource(strings = {"many", "", "1.5", "99999999999"})
    void aBadThreadsPropertyIsRefused(String given) {
        withProperty(
                BackendOptions.THREADS_PROPERTY,
                given,
                () -> refused(
                        () -> BatchNorm.builder(2).backend("scalar").build().close(),
                        "-Dorg.batchnorm.threads: \"" + given + "\" given, must be a positive integer"));
    }

    @Test
    void theThreadsPropertyMustBePositive() {
        withProperty(
                BackendOptions.THREADS_PROPERTY,
                "0",
                () -> refused(
                        () -> BatchNorm.builder(2).backend("scalar").build().close(),
                        "threads: 0 given, must be at least 1"));
    }

    @Test
    void theBackendPropertyIsCheckedLikeTheBuildersName() {
        withProperty(
                "org.batchnorm.backend",
                "gpu",
                () -> refused(
                        () -> BatchNorm.builder(2).build().close(), "backend: \"gpu\" given, must be one of auto, "));
    }

    @Test
    void savedStatisticsNeedFeatures() {
        refused(() -> new SavedStatistics(0), "features: 0 given, must be at least 1");
    }

    @Test
    void aBuiltLayersMomentumIsCheckedLikeTheBuilders() {
        refused(() -> layer.momentum(1.1), "momentum: 1.1 given, must be within [0, 1]");
        refused(() -> layer.momentum(Double.NaN), "momentum: NaN given, must be within [0, 1]");
        assertThat(layer.config()).isEqualTo(BatchNormConfig.of(FEATURES));
    }

    /** A device that was named and ignored: the work would be done elsewhere, and nobody would know. */
    @ParameterizedTest
    @ValueSource(strings = {"scalar", "vector"})
    void aBackendWithoutDevicesTakesNone(String backend) {
        String message = "given, must be left out (in the call and in -Dorg.batchnorm.device): the backend " + backend
                + " has no devices";
        refused(() -> BatchNorm.builder(2).backend(backend).device("gpu7").build(), "device: \"gpu7\" " + message);
        refused(
                () -> BatchNormFunction.builder(2)
                        .backend(backend)
                        .device("gpu7")
                        .build(),
                "device: \"gpu7\" " + message);
        withProperty(
                BackendOptions.DEVICE_PROPERTY,
                "gpu9",
                () -> refused(() -> BatchNorm.builder(2).backend(backend).build(), "device: \"gpu9\" " + message));
    }

    @Test
    void autoTakesNoDeviceThatNoBackendHas() {
        String message = "device: \"gpu9\" given, must be left out, as no backend has devices here";
        refused(() -> BatchNorm.builder(2).backend("auto").device("gpu9").build(), message);
        withProperty(
                BackendOptions.DEVICE_PROPERTY,
                "gpu9",
                () -> refused(() -> BatchNorm.builder(2).backend("auto").build(), message));
    }

    @Test
    void whatNeedsRunningStatisticsIsRefusedWithoutThem() {
        try (BatchNorm untracked = BatchNorm.builder(FEATURES)
                .backend("scalar")
                .trackRunningStatistics(false)
                .build()) {
            String message = " given, but the layer was built with trackRunningStatistics(false) and has none";
            refused(() -> untracked.useBatchStatistics(false), "useBatchStatistics: false" + message);
            refused(() -> untracked.updateRunningStatistics(true), "updateRunningStatistics: true" + message);
            refused(() -> untracked.mode(Mode.FROZEN), "mode: FROZEN" + message);
            untracked.useBatchStatistics(true).updateRunningStatistics(false);
        }
    }

    // ---- null

    static Stream<Arguments> nullArguments() {
        Batch ok = Batch.of(new float[ELEMENTS], SHAPE);
        float[] array = new float[ELEMENTS];
        MemorySegment segment = MemorySegment.ofArray(array);
        return Stream.of(
                nothing("mode", layer -> layer.mode(null)),
                nothing("x", layer -> layer.forward(null, ok)),
                nothing("y", layer -> layer.forward(ok, null)),
                nothing("saved", layer -> layer.forward(ok, ok, (SavedStatistics) null)),
                nothing("x", layer -> layer.forward(null, array, SHAPE)),
                nothing("y", layer -> layer.forward(array, null, SHAPE)),
                nothing("shape", layer -> layer.forward(array, array, null)),
                nothing("x", layer -> layer.forward(null, segment, SHAPE)),
                nothing("y", layer -> layer.forward(segment, null, SHAPE)),
                nothing("shape", layer -> layer.forward(segment, segment, null)),
                nothing("x", layer -> layer.backward(null, ok, ok)),
                nothing("dy", layer -> layer.backward(ok, null, ok)),
                nothing("dx", layer -> layer.backward(ok, ok, null)),
                nothing("saved", layer -> layer.backward(ok, ok, ok, null)),
                nothing("dy", layer -> layer.backward(array, null, array, SHAPE)),
                nothing("dx", layer -> layer.backward(segment, segment, null, SHAPE)),
                nothing("state", layer -> layer.loadState(null)),
                nothing("options", layer -> layer.loadState(Map.of(), null)),
                nothing("state", layer -> layer.loadState(Collections.singletonMap(null, Tensor.ofLong(1)))),
                nothing("prefix", layer -> LoadOptions.strict().prefix(null)),
                nothing("population", layer -> layer.setRunningStatistics(null)),
                nothing("config", layer -> BatchNorm.builder(null)),
                nothing("config", layer -> BatchNorm.of(null)),
                nothing("momentum", layer -> new BatchNormConfig(2, 1e-5, null, true, true)),
                nothing("backend", layer -> BatchNorm.builder(2).backend(null)),
                nothing("device", layer -> BatchNorm.builder(2).device(null)),
                nothing("values", layer -> Batch.of((float[]) null, SHAPE)),
                nothing("memory", layer -> Batch.of((MemorySegment) null, SHAPE)),
                nothing("type", layer -> Batch.of(segment, null, SHAPE)),
                nothing("shape", layer -> Batch.of(array, null)),
                nothing("layout", layer -> new BatchShape(2, 3, 4, null)),
                nothing("spatial", layer -> BatchShape.channelsLast(2, 3, (long[]) null)),
                nothing("extents", layer -> BatchShape.ofStrides(null, new long[2])),
                nothing("strides", layer -> BatchShape.ofStrides(new long[2], null)));
    }

    private static Arguments nothing(String argument, Consumer<BatchNorm> call) {
        return arguments(argument, call);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("nullArguments")
    void nullIsRefusedLikeAnyBadArgument(String argument, Consumer<BatchNorm> call) {
        assertThatThrownBy(() -> call.accept(layer))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith(argument + ": null given, must be ");
    }

    // ---- shapes

    static Stream<Arguments> badShapes() {
        return Stream.of(
                shape(() -> BatchShape.of(-1, 2), "n: -1 given, must be at least 0 samples"),
                shape(() -> BatchShape.of(2, 0), "c: 0 given, must be at least 1 feature"),
                shape(
                        () -> BatchShape.channelsFirst(2, 3, 4, -1),
                        "spatial[1]: -1 given, must be at least 0 spatial positions"),
                shape(
                        () -> BatchShape.channelsLast(2, 3, -4),
                        "spatial[0]: -4 given, must be at least 0 spatial positions"),
                shape(
                        () -> new BatchShape(2, 3, -1, Layout.CHANNELS_LAST),
                        "spatial: -1 given, must be at least 0 spatial positions"),
                shape(
                        () -> BatchShape.of(Long.MAX_VALUE, 2),
                        "shape: n × c × spatial = 9223372036854775807 × 2 × 1 floats do not fit"),
                shape(
                        () -> BatchShape.of(1L << 40, 1 << 22),
                        "shape: n × c × spatial = 1099511627776 × 4194304 × 1 floats do not fit"),
                shape(() -> BatchShape.of(1L << 61, 1), "floats do not fit in 2^63 - 1 bytes; give a smaller batch"),
                shape(
                        () -> BatchShape.channelsFirst(1, 1, 1L << 32, 1L << 32),
                        "spatial: the product of [4294967296, 4294967296] overflows 2^63 - 1"));
    }

    private static Arguments shape(Supplier<BatchShape> shape, String message) {
        return arguments(message, shape);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("badShapes")
    void aBadShapeIsRefused(String message, Supplier<BatchShape> shape) {
        refused(shape::get, message);
    }

    @Test
    void theShapesFeaturesMustBeTheLayers() {
        float[] x = new float[8];
        refused(
                () -> layer.forward(x, x, BatchShape.of(4, 2)),
                "shape: (4, 2) has 2 features (channels), must have the layer's 3");
        refused(() -> layer.backward(x, x, x, BatchShape.of(4, 2)), "must have the layer's 3");
        MemorySegment segment = MemorySegment.ofArray(x);
        refused(() -> layer.forward(segment, segment, BatchShape.of(4, 2)), "must have the layer's 3");
        refused(() -> layer.backward(segment, segment, segment, BatchShape.of(4, 2)), "must have the layer's 3");
    }

    @Test
    void allTensorsOfACallMustHaveOneShape() {
        Batch x = Batch.of(batch.x(), SHAPE);
        Batch other = Batch.of(new float[ELEMENTS], BatchShape.channelsFirst(2, FEATURES, 2));
        String message = ": shape (2, 3, 2) channels-first given, must be that of x, (4, 3)";
        refused(() -> layer.forward(x, other), "y" + message);
        refused(() -> layer.backward(x, other, x), "dy" + message);
        refused(() -> layer.backward(x, x, other), "dx" + message);
        refused(
                () -> layer.backward(other, other, other),
                "shape: (2, 3, 2) channels-first given, must be that of the forward, (4, 3)");
    }

    @Test
    void trainingNeedsMoreThanOneValuePerFeature() {
        refused(
                () -> layer.forward(new float[FEATURES], new float[FEATURES], BatchShape.of(1, FEATURES)),
                "shape: expected more than 1 value per feature to take batch statistics from, given (1, 3) with 1");
        try (BatchNorm untracked = BatchNorm.builder(FEATURES)
                .backend("scalar")
                .trackRunningStatistics(false)
                .build()) {
            untracked.eval();
            refused(
                    () -> untracked.forward(new float[3], new float[3], BatchShape.of(1, FEATURES)),
                    "expected more than 1 value per feature");
        }
    }

    // ---- arrays

    @Test
    void arraysMustHaveTheShapesElements() {
        float[] right = new float[ELEMENTS];
        for (int length : new int[] {0, ELEMENTS - 1}) {
            float[] wrong = new float[length];
            String message = ": float[" + length + "] given, must have at least the 12 elements of shape (4, 3)";
            refused(() -> layer.forward(wrong, y, SHAPE), "x" + message);
            refused(() -> layer.forward(batch.x(), wrong, SHAPE), "y" + message);
            refused(() -> layer.backward(wrong, right, right, SHAPE), "x" + message);
            refused(() -> layer.backward(right, wrong, right, SHAPE), "dy" + message);
            refused(() -> layer.backward(right, right, wrong, SHAPE), "dx" + message);
        }
    }

    @Test
    void anArrayCannotHoldMoreThanAnIntOfElements() {
        BatchShape large = BatchShape.of(1L << 30, FEATURES);
        refused(
                () -> layer.forward(batch.x(), y, large),
                "x: shape (1073741824, 3) has 3221225472 elements, a float[] holds at most 2147483647; give a MemorySegment");
    }

    // ---- segments

    static Stream<Arguments> badSegments() {
        return Stream.of(
                segment(
                        "too small",
                        arena -> arena.allocate(4 * ELEMENTS - 1, 4),
                        ": segment of 47 bytes given, must have at least the 48 bytes of shape (4, 3)"),
                segment(
                        "empty",
                        arena -> MemorySegment.NULL,
                        ": segment of 0 bytes given, must have at least the 48 bytes"),
                segment(
                        "too small, on the heap",
                        arena -> MemorySegment.ofArray(new float[ELEMENTS]).asSlice(4),
                        ": segment of 44 bytes given, must have at least the 48 bytes"),
                segment(
                        "misaligned",
                        arena -> arena.allocate(4 * ELEMENTS + 8, 8).asSlice(2),
                        ": segment aligned to 2 bytes given, must be aligned to 4"),
                segment(
                        "over bytes",
                        arena -> MemorySegment.ofArray(new byte[4 * ELEMENTS]),
                        ": segment aligned to 1 bytes given, must be aligned to 4"));
    }

    private static Arguments segment(String what, Function<Arena, MemorySegment> segment, String message) {
        return arguments(what, segment, message);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("badSegments")
    void aBadSegmentIsRefusedWhereverItStands(String what, Function<Arena, MemorySegment> bad, String message) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment wrong = bad.apply(arena);
            MemorySegment x = MemorySegment.ofArray(batch.x());
            MemorySegment other = MemorySegment.ofArray(new float[ELEMENTS]);
            refused(() -> layer.forward(wrong, MemorySegment.ofArray(y), SHAPE), "x" + message);
            refused(() -> layer.forward(x, wrong, SHAPE), "y" + message);
            refused(() -> layer.backward(wrong, x, other, SHAPE), "x" + message);
            refused(() -> layer.backward(x, wrong, other, SHAPE), "dy" + message);
            refused(() -> layer.backward(x, x, wrong, SHAPE), "dx" + message);
        }
    }

    @Test
    void anOutputMustBeWritable() {
        MemorySegment x = MemorySegment.ofArray(batch.x());
        MemorySegment readOnly = MemorySegment.ofArray(y).asReadOnly();
        refused(() -> layer.forward(x, readOnly, SHAPE), "y: read-only segment given, must be writable");
        refused(() -> layer.backward(x, x, readOnly, SHAPE), "dx: read-only segment given, must be writable");
    }

    @Test
    void theArenaMustBeOpen() {
        MemorySegment x = MemorySegment.ofArray(batch.x());
        MemorySegment closed;
        try (Arena arena = Arena.ofConfined()) {
            closed = arena.allocate(ValueLayout.JAVA_FLOAT, ELEMENTS);
        }
        String message = ": its arena is closed; give a segment whose arena is open during the call";
        refused(() -> layer.forward(closed, MemorySegment.ofArray(y), SHAPE), "x" + message);
        refused(() -> layer.forward(x, closed, SHAPE), "y" + message);
        refused(() -> layer.backward(x, closed, closed, SHAPE), "dy" + message);
        refused(() -> layer.backward(x, x, closed, SHAPE), "dx" + message);
    }

    @Test
    void theArenaMustNotBeConfinedToAnotherThread() throws Exception {
        try (Arena arena = Arena.ofConfined();
                ExecutorService other = Executors.newSingleThreadExecutor()) {
            MemorySegment mine = arena.allocate(ValueLayout.JAVA_FLOAT, ELEMENTS);
            assertThatThrownBy(() -> other.submit(() -> layer.forward(mine, MemorySegment.ofArray(y), SHAPE))
                            .get())
                    .isInstanceOf(ExecutionException.class)
                    .cause()
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContainingAll("x: its arena is confined to another thread than", "Arena.ofShared()");
        }
    }

    @Test
    void inputAndOutputMustNotOverlapInPart() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment offHeap = arena.allocate(ValueLayout.JAVA_FLOAT, 3 * ELEMENTS);
            MemorySegment onHeap = MemorySegment.ofArray(new float[3 * ELEMENTS]);
            for (MemorySegment memory : new MemorySegment[] {offHeap, onHeap}) {
                MemorySegment low = memory.asSlice(0, 4 * ELEMENTS);
                MemorySegment high = memory.asSlice(4 * ELEMENTS - 4, 4 * ELEMENTS);
                MemorySegment elsewhere = MemorySegment.ofArray(new float[ELEMENTS]);
                refused(
                        () -> layer.forward(low, high, SHAPE),
                        "y: overlaps x in 4 of 48 bytes; must be the same memory as x or have none in common with it");
                refused(() -> layer.forward(high, low, SHAPE), "y: overlaps x in 4 of 48 bytes");
                refused(() -> layer.backward(low, elsewhere, high, SHAPE), "dx: overlaps x in 4 of 48 bytes");
                refused(() -> layer.backward(elsewhere, low, high, SHAPE), "dx: overlaps dy in 4 of 48 bytes");
                assertThat(memory.toArray(ValueLayout.JAVA_FLOAT)).containsOnly(0);
            }
        }
    }

    // ---- the order of calls

    @Test
    void backwardNeedsAForwardBeforeIt() {
        try (BatchNorm fresh = BatchNorm.builder(FEATURES).backend("scalar").build()) {
            float[] dx = filled(ELEMENTS);
            refused(
                    () -> fresh.backward(batch.x(), batch.dy(), dx, SHAPE),
                    "backward: no forward is waiting for its backward");
            fresh.eval();
            fresh.forward(batch.x(), new float[ELEMENTS], SHAPE);
            refused(() -> fresh.backward(batch.x(), batch.dy(), dx, SHAPE), "call forward in training mode");
            assertThat(dx).containsOnly(UNTOUCHED);
            assertThat(fresh.weightGradient()).containsOnly(0);
        }
    }

    @Test
    void backwardRunsOnceForEachForward() {
        try (BatchNorm fresh = BatchNorm.builder(FEATURES).backend("scalar").build()) {
            float[] dx = new float[ELEMENTS];
            fresh.forward(batch.x(), new float[ELEMENTS], SHAPE);
            fresh.backward(batch.x(), batch.dy(), dx, SHAPE);
            float[] dxBefore = dx.clone();
            float[] gradientBefore = fresh.weightGradient().clone();
            refused(
                    () -> fresh.backward(batch.x(), batch.dy(), dx, SHAPE),
                    "backward: no forward is waiting for its backward");
            assertThat(dx).isEqualTo(dxBefore);
            assertThat(fresh.weightGradient()).isEqualTo(gradientBefore);
        }
    }

    @Test
    void backwardNeedsTheShapeOfItsForward() {
        float[] x = new float[2 * FEATURES];
        refused(
                () -> layer.backward(x, x, new float[6], BatchShape.of(2, FEATURES)),
                "shape: (2, 3) given, must be that of the forward, (4, 3)");
        refused(
                () -> layer.backward(batch.x(), batch.dy(), y, BatchShape.channelsFirst(2, FEATURES, 2)),
                "shape: (2, 3, 2) channels-first given, must be that of the forward, (4, 3)");
    }

    @Test
    void savedStatisticsBelongToOneLayerAndItsFeatures() {
        SavedStatistics wide = new SavedStatistics(4);
        refused(
                () -> layer.forward(batch.x(), y, SHAPE, wide),
                "saved: saved statistics of 4 features given, must have the layer's 3");
        MemorySegment x = MemorySegment.ofArray(batch.x());
        refused(() -> layer.forward(x, MemorySegment.ofArray(y), SHAPE, wide), "must have the layer's 3");
        try (BatchNorm other = BatchNorm.builder(FEATURES).backend("scalar").build()) {
            SavedStatistics saved = new SavedStatistics(FEATURES);
            other.forward(batch.x(), new float[ELEMENTS], SHAPE, saved);
            refused(
                    () -> layer.backward(batch.x(), batch.dy(), y, SHAPE, saved),
                    "saved: these saved statistics were filled by the forward of another layer");
            assertThat(saved.isFilled()).isTrue();
        }
    }

    @Test
    void afterAForwardInPlaceBackwardNeedsACopyOfX() {
        try (BatchNorm other = BatchNorm.builder(FEATURES).backend("scalar").build()) {
            float[] data = batch.x().clone();
            other.forward(data, data, SHAPE);
            String message =
                    "x: the forward ran in place and has overwritten it with y; give a copy of x that was made before the forward";
            refused(() -> other.backward(data, batch.dy(), new float[ELEMENTS], SHAPE), message);
            MemorySegment dx = MemorySegment.ofArray(new float[ELEMENTS]);
            refused(
                    () -> other.backward(MemorySegment.ofArray(data), MemorySegment.ofArray(batch.dy()), dx, SHAPE),
                    message);
            other.backward(batch.x(), batch.dy(), new float[ELEMENTS], SHAPE);

            try (Arena arena = Arena.ofConfined()) {
                MemorySegment segment = arena.allocate(ValueLayout.JAVA_FLOAT, ELEMENTS);
                other.forward(segment, segment, SHAPE);
                refused(
                        () -> other.backward(segment.asReadOnly(), MemorySegment.ofArray(batch.dy()), dx, SHAPE),
                        message);
            }
        }
    }

    /** Both were one segment: what counts is where the values are, not how long the memory is. */
    @Test
    void aCopyOfXMayLieBehindTheOutputInTheSameMemory() {
        try (BatchNorm other = BatchNorm.builder(FEATURES).backend("scalar").build();
                Arena arena = Arena.ofConfined()) {
            for (MemorySegment memory : new MemorySegment[] {
                arena.allocate(ValueLayout.JAVA_FLOAT, 2 * ELEMENTS), MemorySegment.ofArray(new float[2 * ELEMENTS])
            }) {
                MemorySegment copy = memory.asSlice(4 * ELEMENTS);
                MemorySegment.copy(batch.x(), 0, memory, ValueLayout.JAVA_FLOAT, 0, ELEMENTS);
                MemorySegment.copy(batch.x(), 0, copy, ValueLayout.JAVA_FLOAT, 0, ELEMENTS);
                MemorySegment dx = MemorySegment.ofArray(new float[ELEMENTS]);
                other.forward(memory, memory, SHAPE);
                other.backward(copy, MemorySegment.ofArray(batch.dy()), dx, SHAPE);
                try (BatchNorm fresh =
                        BatchNorm.builder(FEATURES).backend("scalar").build()) {
                    assertThat(dx.toArray(ValueLayout.JAVA_FLOAT))
                            .isEqualTo(
                                    Step.run(fresh, batch.withParameters(fresh)).get(Quantity.DX));
                }
            }
        }
    }

    @Test
    void aReadOnlyViewOfTheOverwrittenArrayIsNoCopyOfX() {
        try (BatchNorm other = BatchNorm.builder(FEATURES).backend("scalar").build()) {
            float[] data = batch.x().clone();
            other.forward(data, data, SHAPE);
            MemorySegment view = MemorySegment.ofArray(data).asReadOnly();
            MemorySegment dx = MemorySegment.ofArray(y);
            refused(
                    () -> other.backward(view, MemorySegment.ofArray(batch.dy()), dx, SHAPE),
                    "x: the forward ran in place and has overwritten it with y");
        }
    }

    @Test
    void aClosedLayerComputesNothing() {
        BatchNorm closed = BatchNorm.builder(FEATURES).backend("scalar").build();
        closed.close();
        closed.close();
        String message = "the layer is closed; build another one";
        refused(() -> closed.forward(batch.x(), y, SHAPE), message);
        refused(() -> closed.forward(batch.x(), y, SHAPE, new SavedStatistics(FEATURES)), message);
        refused(() -> closed.backward(batch.x(), batch.dy(), y, SHAPE), message);
        refused(closed::eval, message);
        refused(closed::resetRunningStatistics, message);
        refused(() -> closed.loadState(stateBefore), message);
        assertThat(closed.state()).hasSize(5);
    }

    // ---- options that the layer does not have

    @Test
    void whatTheLayerWasBuiltWithoutIsTold() {
        try (BatchNorm plain = BatchNorm.builder(FEATURES)
                .backend("scalar")
                .affine(false)
                .trackRunningStatistics(false)
                .build()) {
            String affine = "the layer was built with affine(false) and has neither weight nor bias";
            refused(plain::weight, affine);
            refused(plain::bias, affine);
            refused(plain::weightGradient, affine);
            refused(plain::biasGradient, affine);
            String tracked = "the layer was built with trackRunningStatistics(false)";
            refused(plain::runningMean, tracked);
            refused(plain::runningVar, tracked);
            refused(plain::resetRunningStatistics, tracked);
            refused(plain::freezeStatistics, tracked);
            refused(() -> plain.mode(Mode.FROZEN), "mode: FROZEN given, but " + tracked);
            plain.zeroGradients();
            assertThat(plain.state()).isEmpty();
        }
    }

    // ---- state

    static Stream<Arguments> badStates() {
        return Stream.of(
                state(s -> s.remove("bias"), "missing [bias], not the layer's []"),
                state(s -> s.remove("num_batches_tracked"), "missing [num_batches_tracked]"),
                state(s -> s.put("extra", Tensor.ofLong(1)), "missing [], not the layer's [extra]"),
                state(Map::clear, "missing [bias, num_batches_tracked, running_mean, running_var, weight]"),
                state(
                        s -> s.put("weight", Tensor.ofFloats(new float[4], 4)),
                        "state: weight is F32[4], must be F32[3]"),
                state(
                        s -> s.put("running_var", Tensor.ofFloats(new float[3], 3, 1)),
                        "state: running_var is F32[3, 1], must be F32[3]"),
                state(
                        s -> s.put("running_mean", Tensor.ofFloats(new float[3], 1, 1, 3)),
                        "state: running_mean is F32[1, 1, 3], must be F32[3]"),
                state(s -> s.put("bias", Tensor.ofFloats(new float[1])), "state: bias is F32[], must be F32[3]"),
                state(
                        s -> s.put("running_mean", Tensor.ofDoubles(new double[] {0, 1e39, 0}, 3)),
                        "state: running_mean: tensor F64[3]: element 1 of 3, 1.0E39, is too large for float32; must be"
                                + " F32[3]"),
                state(s -> s.put("weight", null), "state: weight is null, must be F32[3]"),
                state(
                        s -> s.put("num_batches_tracked", Tensor.ofFloats(new float[] {1.5f})),
                        "state: num_batches_tracked: tensor F32[]: element 0 of 1, 1.5, is no 64-bit integer"),
                state(
                        s -> s.put("num_batches_tracked", Tensor.ofLongs(new long[2], 2)),
                        "state: num_batches_tracked is I64[2], must be I64[]"),
                state(
                        s -> s.put("num_batches_tracked", Tensor.ofLong(-1)),
                        "state: num_batches_tracked is -1, must be at least 0"));
    }

    private static Arguments state(Consumer<Map<String, Tensor>> spoil, String message) {
        return arguments(message, spoil);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("badStates")
    void aBadStateIsRefusedWhole(String message, Consumer<Map<String, Tensor>> spoil) {
        Map<String, Tensor> state = new HashMap<>(Map.of(
                "weight", Tensor.ofFloats(new float[] {9, 9, 9}, 3),
                "bias", Tensor.ofFloats(new float[] {9, 9, 9}, 3),
                "running_mean", Tensor.ofFloats(new float[] {9, 9, 9}, 3),
                "running_var", Tensor.ofFloats(new float[] {9, 9, 9}, 3),
                "num_batches_tracked", Tensor.ofLong(9)));
        spoil.accept(state);
        refused(() -> layer.loadState(state), message);
    }

    // ---- helpers

    private static void refused(ThrowingCallable call, String message) {
        assertThatThrownBy(call)
                .isInstanceOfAny(IllegalArgumentException.class, IllegalStateException.class)
                .hasMessageContaining(message);
    }

    private static void withProperty(String property, String value, Runnable test) {
        System.setProperty(property, value);
        try {
            test.run();
        } finally {
            System.clearProperty(property);
        }
    }

    private static float[] filled(int length) {
        float[] values = new float[length];
        Arrays.fill(values, UNTOUCHED);
        return values;
    }
}

package org.batchnorm.tornadovm;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.batchnorm.data.BatchShape;
import org.batchnorm.tornadovm.GeneratedCode.Body;
import org.batchnorm.tornadovm.GeneratedCode.Kernel;
import org.batchnorm.tornadovm.kernels.Tile;
import org.batchnorm.tornadovm.kernels.Tiles;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The bytes that kernels move, counted in the OpenCL C, CUDA C or PTX (as the SDK has it) that TornadoVM generates for
 * a GPU, which need not be here unless it is PTX; what their Javadoc says is held to it.
 */
class GeneratedCodeTest {
    private static final int EIGHT = Tiles.LOADS;
    private static final int FOUR = Tiles.LOADS / 2;
    private static final Set<String> BATCH = Set.of("x", "y", "dy", "dx");
    private static final DeviceLimits GPU = new DeviceLimits(132, 1024, 48 << 10, false);
    private static final DeviceLimits GPU_WITHOUT_LOCAL_MEMORY = new DeviceLimits(132, 1024, 0, false);

    private static Map<String, Map<String, Kernel>> code = Map.of();

    /** What the kernels see differently. Sizes are no powers of two where a division would become a shift. */
    @SuppressWarnings("ImmutableEnumChecker") // Records of numbers.
    enum Layout {
        COLUMNS(BatchShape.of(4096, 100), GPU_WITHOUT_LOCAL_MEMORY),
        PLANES(BatchShape.channelsFirst(8, 64, 31, 33), GPU_WITHOUT_LOCAL_MEMORY),
        SMALL_PLANES(BatchShape.channelsFirst(512, 40, 7), GPU_WITHOUT_LOCAL_MEMORY),
        COLUMNS_ON_CHIP(BatchShape.of(128, 100), GPU),
        PLANES_ON_CHIP(BatchShape.channelsFirst(2, 64, 31, 33), GPU),
        SMALL_PLANES_ON_CHIP(BatchShape.channelsFirst(64, 40, 7), GPU);

        final BatchShape shape;
        final DeviceLimits limits;

        Layout(BatchShape shape, DeviceLimits limits) {
            this.shape = shape;
            this.limits = limits;
        }

        boolean onChip() {
            return limits.localMemory() > 0;
        }

        boolean planes() {
            return this == PLANES || this == PLANES_ON_CHIP;
        }

        Tiling tiling() {
            return Tiling.of(shape, limits);
        }
    }

    @BeforeAll
    static void generate(@TempDir Path folder) throws Exception {
        code = GeneratedCode.read(ChildJvm.run(Map.of(), VirtualDevice.codeOptions(folder), GeneratedCodeMain.class));
    }

    private static Kernel kernel(Layout layout, String operations, String name) {
        Map<String, Kernel> kernels = code.getOrDefault(layout + " " + operations, Map.of());
        assertThat(kernels).as("kernels of " + layout + " " + operations).containsKey(name);
        return kernels.get(name);
    }

    /**
     * A pass of a loop over eight (or four) rows touches each value once, and so does a pass over a single remaining
     * row: that is what the rows need not be read twice for.
     */
    private static void assertMoves(Body body, int rows, Set<String> read, Set<String> written) {
        assertThat(body.loads).as("loads").isEqualTo(each(read, rows));
        assertThat(body.stores).as("stores").isEqualTo(each(written, rows));
        assertThat(body.loadsAfterUse)
                .as("a load after the first use of a loaded value")
                .isFalse();
    }

    private static Map<String, Integer> each(Set<String> arrays, int count) {
        return arrays.stream().collect(Collectors.toMap(array -> array, array -> count));
    }

    private static void assertNoBatchIn(Body body) {
        assertThat(body.loads).doesNotContainKeys("x", "y", "dy", "dx");
        assertThat(body.stores).doesNotContainKeys("x", "y", "dy", "dx");
    }

    @ParameterizedTest
    @EnumSource(names = {"COLUMNS", "PLANES", "SMALL_PLANES"})
    void collectStatisticsReadsXOnce(Layout layout) {
        Kernel kernel = kernel(layout, "training", "collectStatistics");
        assertMoves(kernel.loops().get(0), EIGHT, Set.of("x"), Set.of());
        assertMoves(kernel.loops().get(1), 1, Set.of("x"), Set.of());
        // Only where the shift was far from the mean, or squares left float32's range.
        assertMoves(kernel.loops().get(2), 1, Set.of("x"), Set.of());
        assertThat(kernel.loops()).hasSize(3);
        assertThat(kernel.straight().loads).isEqualTo(Map.of("x", 3, "samples", 2));
        assertThat(kernel.straight().stores).isEqualTo(Map.of("partialMean", 1, "partialM2", 1, "samples", 1));
    }

    @ParameterizedTest
    @EnumSource
    void transformReadsXAndWritesYOnce(Layout layout) {
        for (String operations : List.of("training", "frozenForward", "inference")) {
            if (layout.onChip() && operations.equals("training")) {
                continue;
            }
            Kernel kernel = kernel(layout, operations, "transform");
            assertMoves(kernel.loops().get(0), EIGHT, Set.of("x"), Set.of("y"));
            assertMoves(kernel.loops().get(1), 1, Set.of("x"), Set.of("y"));
            assertThat(kernel.loops()).hasSize(2);
            assertNoBatchIn(kernel.straight());
            assertThat(kernel.straight().loads)
                    .containsEntry("statistics", operations.equals("inference") ? 2 : 3)
                    .containsEntry("parameters", 2);
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"COLUMNS", "PLANES", "SMALL_PLANES"})
    void backwardReadsXAndDyTwiceAndWritesDxOnce(Layout layout) {
        Kernel reduce = kernel(layout, "training", "reduceGradients");
        assertMoves(reduce.loops().get(0), FOUR, Set.of("x", "dy"), Set.of());
        assertMoves(reduce.loops().get(1), 1, Set.of("x", "dy"), Set.of());
        // Only where float32 was too short for pairs of it.
        assertMoves(reduce.loops().get(2), 1, Set.of("x", "dy"), Set.of());
        assertThat(reduce.loops()).hasSize(3);
        assertNoBatchIn(reduce.straight());
        assertThat(reduce.straight().stores)
                .isEqualTo(Map.of("partialDy", 1, "partialDyX", 1, "partialX", 1, "samples", 1));

        Kernel gradient = kernel(layout, "training", "inputGradient");
        assertMoves(gradient.loops().get(0), FOUR, Set.of("x", "dy"), Set.of("dx"));
        assertMoves(gradient.loops().get(1), 1, Set.of("x", "dy"), Set.of("dx"));
        assertThat(gradient.loops()).hasSize(2);
        assertNoBatchIn(gradient.straight());
        assertThat(gradient.straight().loads).isEqualTo(Map.of("statistics", 2, "terms", 6, "samples", 2));
    }

    @ParameterizedTest
    @EnumSource
    void pastFrozenStatisticsTransformReadsDyAndWritesDxOnce(Layout layout) {
        Kernel kernel = kernel(layout, "frozenBackward", "transform");
        assertMoves(kernel.loops().get(0), EIGHT, Set.of("x"), Set.of("y"));
        assertMoves(kernel.loops().get(1), 1, Set.of("x"), Set.of("y"));
        assertThat(kernel.loops()).hasSize(2);
        assertThat(kernel.straight().loads).isEqualTo(Map.of("statistics", 1, "parameters", 1, "samples", 2));
    }

    @ParameterizedTest
    @EnumSource
    void aResidualIsReadOnceAndItsGradientWrittenOnce(Layout layout) {
        Kernel transform = kernel(layout, "activatedResidual", "transform");
        assertMoves(transform.loops().get(0), EIGHT, Set.of("x", "residual"), Set.of("y"));
        assertMoves(transform.loops().get(1), 1, Set.of("x", "residual"), Set.of("y"));
        assertThat(transform.loops()).hasSize(2);
        Kernel gradient = kernel(layout, "activatedResidual", "residualGradient");
        assertMoves(gradient.loops().get(0), FOUR, Set.of("y", "dy"), Set.of("dresidual"));
        assertMoves(gradient.loops().get(1), 1, Set.of("y", "dy"), Set.of("dresidual"));
        assertThat(gradient.loops()).hasSize(2);
    }

    /** Activations cost a few more values of each feature, and no other traffic. */
    @ParameterizedTest
    @EnumSource
    void withActivationsNoMoreOfABatchIsMoved(Layout layout) {
        if (layout.onChip()) {
            Kernel forward = kernel(layout, "activatedTraining", "forwardOnChip");
            assertMoves(forward.loops().get(0), EIGHT, Set.of("x"), Set.of());
            assertMoves(forward.loops().get(1), 1, Set.of("x"), Set.of());
            assertMoves(forward.loops().get(2), 1, Set.of(), Set.of("y"));
            assertThat(forward.loops()).hasSize(3);
        } else {
            Kernel statistics = kernel(layout, "activatedTraining", "collectStatistics");
            assertMoves(statistics.loops().get(0), EIGHT, Set.of("x"), Set.of());
            Kernel transform = kernel(layout, "activatedTraining", "transform");
            assertMoves(transform.loops().get(0), EIGHT, Set.of("x"), Set.of("y"));
            assertMoves(transform.loops().get(1), 1, Set.of("x"), Set.of("y"));
            assertThat(transform.loops()).hasSize(2);
        }
        for (String operations : List.of("activatedTraining", "activatedFrozenBackward")) {
            Kernel reduce = kernel(layout, operations, "reduceGradients");
            assertMoves(reduce.loops().get(0), FOUR, Set.of("x", "dy"), Set.of());
            assertMoves(reduce.loops().get(1), 1, Set.of("x", "dy"), Set.of());
            assertThat(reduce.loops()).hasSize(3);
            assertThat(reduce.straight().loads).containsEntry("parameters", 2);
            Kernel gradient = kernel(layout, operations, "inputGradient");
            assertMoves(gradient.loops().get(0), FOUR, Set.of("x", "dy"), Set.of("dx"));
            assertMoves(gradient.loops().get(1), 1, Set.of("x", "dy"), Set.of("dx"));
            assertThat(gradient.loops()).hasSize(2);
            assertNoBatchIn(gradient.straight());
            assertThat(gradient.straight().loads.containsKey("terms")).isEqualTo(!operations.contains("Frozen"));
        }
    }

    /** With y in the place of x no more is moved, but for a few values of each feature. */
    @ParameterizedTest
    @EnumSource
    void inPlaceNoMoreOfABatchIsMoved(Layout layout) {
        for (String operations : List.of("inPlaceBackward", "inPlaceFrozen", "inPlacePart")) {
            for (String sums : List.of("", GeneratedCodeMain.IN_FLOAT64)) {
                Kernel reduce = kernel(layout, operations + sums, "reduceGradients");
                assertMoves(reduce.loops().get(0), FOUR, Set.of("x", "dy"), Set.of());
                assertMoves(reduce.loops().get(1), 1, Set.of("x", "dy"), Set.of());
                assertThat(reduce.loops()).hasSize(sums.isEmpty() ? 3 : 2);
                assertNoBatchIn(reduce.straight());
                assertThat(reduce.straight().loads).containsEntry("parameters", 2);
            }
        }
        for (String operations : List.of("inPlaceBackward", "inPlaceFrozen")) {
            Kernel gradient = kernel(layout, operations, "inputGradient");
            assertMoves(gradient.loops().get(0), FOUR, Set.of("x", "dy"), Set.of("dx"));
            assertMoves(gradient.loops().get(1), 1, Set.of("x", "dy"), Set.of("dx"));
            assertThat(gradient.loops()).hasSize(2);
            assertNoBatchIn(gradient.straight());
        }
        assertThat(kernel(layout, "inPlaceBackward", "inputGradient").straight().loads)
                .isEqualTo(Map.of("statistics", 1, "parameters", 2, "terms", 6, "samples", 2));
        if (!layout.onChip()) {
            String ofFloat64 = GeneratedCodeMain.OF_FLOAT64 + GeneratedCodeMain.IN_PLACE;
            assertSums(layout, ofFloat64 + "Backward", "sums", Set.of("x", "dy"), Map.of("samples", 2));
            assertSums(
                    layout,
                    ofFloat64 + "Backward",
                    "sums2",
                    Set.of("x", "dy"),
                    with(2, Map.of("centres", 3, "samples", 2)));
            assertSums(layout, ofFloat64 + "Frozen", "sums2", Set.of("x", "dy"), with(2, Map.of("samples", 2)));
            assertMap(layout, ofFloat64 + "Backward", "inputGradient", Set.of("x", "dy"), "dx");
            assertMap(layout, ofFloat64 + "Frozen", "inputGradient", Set.of("x", "dy"), "dx");
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"COLUMNS", "PLANES", "SMALL_PLANES"})
    void mergesReadPartialResultsOnce(Layout layout) {
        Kernel statistics = kernel(layout, "training", "mergeStatistics");
        assertMoves(statistics.loops().get(0), 1, Set.of("partialMean", "partialM2"), Set.of());
        assertThat(statistics.loops()).hasSize(1);
        assertThat(statistics.straight().stores)
                .isEqualTo(Map.of("statistics", 4, "runningStatistics", 2, "numBatchesTracked", 1, "samples", 1));
        Kernel gradients = kernel(layout, "training", "mergeGradients");
        assertMoves(gradients.loops().get(0), 1, Set.of("partialDy", "partialDyX", "partialX"), Set.of());
        assertThat(gradients.loops()).hasSize(1);
        assertThat(gradients.straight().stores).isEqualTo(Map.of("gradients", 2, "terms", 6, "samples", 1));
    }

    /** What layers merge is written by the kernels that merge, and nothing else; the rest is read of that. */
    @ParameterizedTest
    @EnumSource
    void stepsWriteAndReadWhatLayersMerge(Layout layout) {
        Kernel moments = kernel(layout, "steps", "mergeStatistics");
        assertMoves(moments.loops().get(0), 1, Set.of("partialMean", "partialM2"), Set.of());
        assertThat(moments.straight().stores).isEqualTo(Map.of("moments", 3, "samples", 1));
        Kernel statistics = kernel(layout, "steps", "mergedStatistics");
        assertThat(statistics.loops()).isEmpty();
        assertThat(statistics.straight().loads)
                .isEqualTo(Map.of("moments", 3, "runningStatistics", 2, "numBatchesTracked", 1, "samples", 1));
        assertThat(statistics.straight().stores)
                .isEqualTo(Map.of("statistics", 4, "runningStatistics", 2, "numBatchesTracked", 1, "samples", 1));

        Kernel sums = kernel(layout, "steps", "mergeGradients");
        assertMoves(sums.loops().get(0), 1, Set.of("partialDy", "partialDyX"), Set.of());
        assertThat(sums.straight().stores).isEqualTo(Map.of("wholeSums", 3, "samples", 1));
        Kernel gradients = kernel(layout, "steps", "mergedGradients");
        assertThat(gradients.loops()).isEmpty();
        assertThat(gradients.straight().loads)
                .isEqualTo(Map.of("sums", 3, "parameters", 1, "statistics", 2, "samples", 1));
        assertThat(gradients.straight().stores).isEqualTo(Map.of("gradients", 2, "terms", 6, "samples", 1));
    }

    /** The gradients of a part of a batch cost what a batch's do, and one number a feature more. */
    @ParameterizedTest
    @EnumSource
    void aPartsGradientsAreReadOnce(Layout layout) {
        Kernel reduce = kernel(layout, "part", "reduceGradients");
        assertMoves(reduce.loops().get(0), FOUR, Set.of("x", "dy"), Set.of());
        assertMoves(reduce.loops().get(1), 1, Set.of("x", "dy"), Set.of());
        assertNoBatchIn(reduce.straight());
        assertThat(reduce.straight().loads).containsEntry("moments", 1);
        assertThat(reduce.straight().stores)
                .isEqualTo(Map.of("partialDy", 1, "partialDyX", 1, "partialX", 1, "samples", 1));
        Kernel sums = kernel(layout, "part", "mergeGradients");
        assertMoves(sums.loops().get(0), 1, Set.of("partialDy", "partialDyX", "partialX"), Set.of());
        assertThat(sums.straight().stores).isEqualTo(Map.of("wholeSums", 3, "samples", 1));
    }

    /** On a device that is fast at float64 there are no pairs, and nothing that is read once more. */
    @ParameterizedTest
    @EnumSource
    void inFloat64XAndDyAreReadOnceWhateverTheyAre(Layout layout) {
        if (layout.onChip()) {
            Kernel backward = kernel(layout, "backwardInFloat64", "backwardOnChip");
            assertMoves(backward.loops().get(0), FOUR, Set.of("x", "dy"), Set.of());
            assertMoves(backward.loops().get(1), 1, Set.of("x", "dy"), Set.of());
            assertMoves(backward.loops().get(2), 1, Set.of(), Set.of("dx"));
            assertThat(backward.loops()).hasSize(3);
            assertNoBatchIn(backward.straight());
            assertThat(backward.localBytes())
                    .as("local memory is what pairs take")
                    .isEqualTo(kernel(layout, "training", "backwardOnChip").localBytes());
        }
        List<String> twoStages = layout.onChip()
                ? List.of("frozenBackwardInFloat64", "partInFloat64")
                : List.of("backwardInFloat64", "frozenBackwardInFloat64", "partInFloat64");
        for (String operations : twoStages) {
            Kernel reduce = kernel(layout, operations, "reduceGradients");
            assertMoves(reduce.loops().get(0), FOUR, Set.of("x", "dy"), Set.of());
            assertMoves(reduce.loops().get(1), 1, Set.of("x", "dy"), Set.of());
            assertThat(reduce.loops()).as(operations).hasSize(2);
            assertNoBatchIn(reduce.straight());
        }
    }

    /** About given statistics the sum of the distances is not needed. */
    @ParameterizedTest
    @EnumSource
    void frozenGradientsAreOfTwoSums(Layout layout) {
        Kernel reduce = kernel(layout, "frozenBackward", "reduceGradients");
        assertMoves(reduce.loops().get(0), FOUR, Set.of("x", "dy"), Set.of());
        assertThat(reduce.straight().stores).isEqualTo(Map.of("partialDy", 1, "partialDyX", 1, "samples", 1));
        Kernel merge = kernel(layout, "frozenBackward", "mergeGradients");
        assertMoves(merge.loops().get(0), 1, Set.of("partialDy", "partialDyX"), Set.of());
    }

    @Test
    void freezeStatisticsHasNoLoop() {
        Kernel kernel = kernel(Layout.COLUMNS, "frozenForward", "freezeStatistics");
        assertThat(kernel.loops()).isEmpty();
        assertThat(kernel.straight().loads).isEqualTo(Map.of("runningStatistics", 2));
        assertThat(kernel.straight().stores).isEqualTo(Map.of("statistics", 4));
    }

    /** The sums of x, of squares, of dy and of products, in the order of the tasks. */
    @ParameterizedTest
    @EnumSource(names = {"COLUMNS", "PLANES", "SMALL_PLANES"})
    void sumsOfFloat64ReadEachTensorOnce(Layout layout) {
        for (String kind : List.of("", GeneratedCodeMain.ACTIVATED)) {
            String training = GeneratedCodeMain.OF_FLOAT64 + kind + "Training";
            Set<String> ofDy = kind.isEmpty() ? Set.of("dy") : Set.of("x", "dy");
            int parameters = kind.isEmpty() ? 0 : 2;
            assertSums(layout, training, "sums", Set.of("x"), Map.of("samples", 2));
            assertSums(layout, training, "sums2", Set.of("x"), Map.of("centres", 3, "samples", 2));
            assertSums(layout, training, "sums3", ofDy, with(parameters, Map.of("samples", 2)));
            assertSums(
                    layout, training, "sums4", Set.of("x", "dy"), with(parameters, Map.of("centres", 3, "samples", 2)));
            String frozen = GeneratedCodeMain.OF_FLOAT64 + kind + "Frozen";
            assertSums(layout, frozen, "sums", ofDy, with(parameters, Map.of("samples", 2)));
            assertSums(layout, frozen, "sums2", Set.of("x", "dy"), with(parameters, Map.of("samples", 2)));
        }
        for (String operations : List.of("Training", "Frozen")) {
            Kernel secondSums = kernel(layout, GeneratedCodeMain.OF_FLOAT64 + operations, "sums2");
            assertThat(secondSums.loops().get(0).loadsAfterUse)
                    .as("a load after the first use of a loaded value")
                    .isFalse();
        }
    }

    /** What a feature's map takes, but the statistics. */
    private static Map<String, Integer> with(int parameters, Map<String, Integer> others) {
        Map<String, Integer> loads = new TreeMap<>(others);
        if (parameters > 0) {
            loads.put("parameters", parameters);
        }
        return loads;
    }

    private static void assertSums(
            Layout layout, String operations, String name, Set<String> read, Map<String, Integer> straight) {
        Kernel sums = kernel(layout, operations, name);
        assertThat(sums.loops()).as("loops of %s %s", operations, name).hasSize(1);
        assertThat(sums.loops().get(0).loads).isEqualTo(each(read, 1));
        assertThat(sums.loops().get(0).stores).isEmpty();
        assertNoBatchIn(sums.straight());
        Map<String, Integer> loads = new TreeMap<>(sums.straight().loads);
        loads.remove("statistics");
        assertThat(loads).as("loads of %s %s", operations, name).isEqualTo(straight);
        assertThat(sums.straight().stores).isEqualTo(Map.of("partials", 3, "samples", 1));
    }

    @ParameterizedTest
    @EnumSource(names = {"COLUMNS", "PLANES", "SMALL_PLANES"})
    void mergesOfFloat64ReadPartialResultsOnce(Layout layout) {
        String training = GeneratedCodeMain.OF_FLOAT64 + "Training";
        assertMerge(layout, training, "mergeSums", 4);
        assertMerge(layout, training, "mergeSums2", 2);
        assertMerge(layout, training, "mergeSums3", 3);
        assertMerge(layout, training, "mergeSums4", 2);
        assertMerge(layout, GeneratedCodeMain.OF_FLOAT64 + "Frozen", "mergeSums2", 2);
        assertMerge(layout, GeneratedCodeMain.OF_FLOAT64 + "Part", "mergeSums2", 2);
        Kernel part = kernel(layout, GeneratedCodeMain.OF_FLOAT64 + "Part", "mergeSums2");
        assertThat(part.straight().loads).isEqualTo(Map.of("moments", 3, "statistics", 3, "merged", 1, "samples", 2));
    }

    private static void assertMerge(Layout layout, String operations, String name, int written) {
        Kernel merge = kernel(layout, operations, name);
        assertThat(merge.loops()).hasSize(1);
        assertThat(merge.loops().get(0).loads).isEqualTo(Map.of("partials", 3));
        assertThat(merge.loops().get(0).stores).isEmpty();
        assertThat(merge.straight().stores)
                .as("stores of %s %s", operations, name)
                .isEqualTo(Map.of("merged", written, "samples", 1));
    }

    @ParameterizedTest
    @EnumSource(names = {"COLUMNS", "PLANES", "SMALL_PLANES"})
    void mapsOfFloat64ReadAndWriteEachTensorOnce(Layout layout) {
        String plain = GeneratedCodeMain.OF_FLOAT64;
        String activated = GeneratedCodeMain.OF_FLOAT64 + GeneratedCodeMain.ACTIVATED;
        for (String kind : List.of(plain, activated)) {
            for (String operations : List.of("Training", "Frozen", "Inference")) {
                assertMap(layout, kind + operations, "transform", Set.of("x"), "y");
            }
            assertMap(layout, kind + "Training", "inputGradient", Set.of("x", "dy"), "dx");
        }
        assertMap(layout, plain + "Frozen", "inputGradient", Set.of("dy"), "dx");
        assertMap(layout, activated + "Frozen", "inputGradient", Set.of("x", "dy"), "dx");
        assertMap(layout, activated + "Residual", "transform", Set.of("x", "residual"), "y");
        assertMap(layout, activated + "Residual", "residualGradient", Set.of("y", "dy"), "dresidual");
    }

    private static void assertMap(Layout layout, String operations, String name, Set<String> read, String written) {
        Kernel map = kernel(layout, operations, name);
        assertThat(map.loops()).as("loops of %s %s", operations, name).hasSize(1);
        assertThat(map.loops().get(0).loads).isEqualTo(each(read, 1));
        assertThat(map.loops().get(0).stores).isEqualTo(Map.of(written, 1));
        assertNoBatchIn(map.straight());
    }

    @Test
    void perFeatureKernelsOfFloat64HaveNoLoop() {
        String training = GeneratedCodeMain.OF_FLOAT64 + "Training";
        Kernel statistics = kernel(Layout.COLUMNS, training, "mergedStatistics");
        assertThat(statistics.loops()).isEmpty();
        assertThat(statistics.straight().stores)
                .isEqualTo(Map.of("statistics", 4, "runningStatistics", 2, "numBatchesTracked", 1, "samples", 1));
        Kernel gradients = kernel(Layout.COLUMNS, training, "mergedGradients");
        assertThat(gradients.loops()).isEmpty();
        assertThat(gradients.straight().loads)
                .isEqualTo(Map.of("sums", 4, "parameters", 1, "statistics", 2, "samples", 1));
        assertThat(gradients.straight().stores).isEqualTo(Map.of("gradients", 2, "terms", 4, "samples", 1));
        Kernel frozen = kernel(Layout.COLUMNS, GeneratedCodeMain.OF_FLOAT64 + "Frozen", "freezeStatistics");
        assertThat(frozen.loops()).isEmpty();
        assertThat(frozen.straight().loads).isEqualTo(Map.of("runningStatistics", 2));
        assertThat(frozen.straight().stores).isEqualTo(Map.of("statistics", 4));
    }

    @ParameterizedTest
    @EnumSource(names = {"COLUMNS_ON_CHIP", "PLANES_ON_CHIP", "SMALL_PLANES_ON_CHIP"})
    void onChipEachTensorIsReadOrWrittenOnce(Layout layout) {
        Kernel forward = kernel(layout, "training", "forwardOnChip");
        assertMoves(forward.loops().get(0), EIGHT, Set.of("x"), Set.of());
        assertMoves(forward.loops().get(1), 1, Set.of("x"), Set.of());
        assertMoves(forward.loops().get(2), 1, Set.of(), Set.of("y"));
        assertThat(forward.loops()).hasSize(3);
        assertThat(forward.straight().loads)
                .isEqualTo(
                        Map.of("x", 3, "parameters", 2, "runningStatistics", 2, "numBatchesTracked", 1, "samples", 2));
        assertThat(forward.straight().stores)
                .isEqualTo(Map.of("statistics", 4, "runningStatistics", 2, "numBatchesTracked", 1, "samples", 1));

        Kernel backward = kernel(layout, "training", "backwardOnChip");
        assertMoves(backward.loops().get(0), FOUR, Set.of("x", "dy"), Set.of());
        assertMoves(backward.loops().get(1), 1, Set.of("x", "dy"), Set.of());
        assertMoves(backward.loops().get(2), 1, Set.of(), Set.of("dx"));
        assertThat(backward.loops()).hasSize(3);
        assertNoBatchIn(backward.straight());
        assertThat(backward.straight().stores).isEqualTo(Map.of("gradients", 2, "samples", 1));
    }

    @ParameterizedTest
    @EnumSource(names = {"COLUMNS_ON_CHIP", "PLANES_ON_CHIP", "SMALL_PLANES_ON_CHIP"})
    void localMemoryIsWhatTheTilingCountsWith(Layout layout) {
        Tiling tiling = layout.tiling();
        long forward = tiling.onChip(layout.shape, 1, layout.limits).orElseThrow();
        assertThat(kernel(layout, "training", "forwardOnChip").localBytes())
                .isEqualTo(Tile.items(forward) * (4 * Tile.keep(forward) + 20) + 16 * Tile.columns(forward))
                .isLessThanOrEqualTo(layout.limits.localMemory());
        long backward = tiling.onChip(layout.shape, 2, layout.limits).orElseThrow();
        assertThat(kernel(layout, "training", "backwardOnChip").localBytes())
                .isEqualTo(Tile.items(backward) * (8 * Tile.keep(backward) + 24) + 24 * Tile.columns(backward))
                .isLessThanOrEqualTo(layout.limits.localMemory());
    }

    /** Contiguous columns are walked without a division; along planes there is one, by a constant, for each address. */
    @ParameterizedTest
    @EnumSource
    void loopsOverTheBatchDivideOnlyAlongPlanes(Layout layout) {
        for (String operations : List.of(
                "training",
                "frozenForward",
                "frozenBackward",
                "inference",
                "activatedResidual",
                "activatedTraining",
                "activatedFrozenBackward",
                "inPlaceBackward",
                "inPlaceFrozen",
                "backwardInFloat64",
                "frozenBackwardInFloat64",
                GeneratedCodeMain.OF_FLOAT64 + "Training",
                GeneratedCodeMain.OF_FLOAT64 + "Frozen",
                GeneratedCodeMain.OF_FLOAT64 + GeneratedCodeMain.ACTIVATED + "Training")) {
            if (operations.startsWith(GeneratedCodeMain.OF_FLOAT64) && layout.onChip()) {
                continue;
            }
            code.get(layout + " " + operations).forEach((name, kernel) -> {
                for (Body loop : kernel.loops()) {
                    int addresses = Math.max(
                            loop.loads.values().stream()
                                    .mapToInt(count -> count)
                                    .max()
                                    .orElse(0),
                            loop.stores.values().stream()
                                    .mapToInt(count -> count)
                                    .max()
                                    .orElse(0));
                    boolean overBatch = loop.loads.keySet().stream().anyMatch(BATCH::contains)
                            || loop.stores.keySet().stream().anyMatch(BATCH::contains);
                    assertThat(loop.integerDivisions)
                            .as("divisions in a loop of %s, %s", name, loop)
                            .isEqualTo(layout.planes() && overBatch ? addresses : 0);
                }
            });
        }
    }
}

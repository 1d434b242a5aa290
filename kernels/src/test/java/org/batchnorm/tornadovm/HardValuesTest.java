package org.batchnorm.tornadovm;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.OptionalDouble;
import java.util.Random;
import java.util.function.IntToDoubleFunction;
import java.util.stream.Stream;
import org.assertj.core.data.Offset;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.data.BatchShape;
import org.batchnorm.tornadovm.kernels.Tile;
import org.batchnorm.tornadovm.kernels.Tiles;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/**
 * Values that sampled shifts, float32's range or its 24 bits make hard: results are those of double precision all the
 * same, in two stages and on chip.
 */
class HardValuesTest {
    /** Nearly the largest of all. */
    private static final float LARGE = 0x1.cp127f;

    /** A variance that eps nearly takes away. */
    private static final float NEGATIVE = (float) -9.9998997e-6;

    /** As many rows for each work-item as a large batch has. */
    private static final DeviceLimits FEW_WORK_ITEMS = new DeviceLimits(1, 16, 0, true);

    static Stream<DeviceLimits> forms() {
        return Stream.of(Layers.TWO_STAGES, Layers.TWO_STAGES_FLOAT64, Layers.OWN, Layers.AS_GPU);
    }

    // ---- the sampled shift may be an outlier

    @ParameterizedTest
    @MethodSource("forms")
    void outliersAtAnyStrideDoNotSpoilTheStatistics(DeviceLimits limits) throws Exception {
        int c = 16;
        try (TrainingStep step = new TrainingStep(BatchShape.of(512, c), limits)) {
            for (int stride : new int[] {2, 3, 7, 8, 16, 32, 64}) {
                for (int phase : new int[] {0, 1, stride / 2}) {
                    step.run(
                            i -> 1.5 * Math.sin(37 * (i / c) + 11 * (i % c)) + (i / c % stride == phase ? 50 : 0),
                            i -> Math.sin(17 * (i / c) + 5 * (i % c)));
                    step.check("every " + stride + "th, from " + phase);
                }
            }
        }
    }

    /**
     * The very rows that the shifts come from are outliers. The other values are few different ones, so that what is
     * lost to a shift far away is lost to the same side every time.
     */
    @Test
    void outliersWhereTheShiftIsSampledDoNotSpoilTheStatistics() throws Exception {
        int n = 1 << 18;
        try (TrainingStep step = new TrainingStep(BatchShape.of(n, 1), FEW_WORK_ITEMS)) {
            long tile = Tiling.of(step.shape, FEW_WORK_ITEMS).tile();
            int share = Tiles.rowsPerGroup(n, tile);
            boolean[] sampled = new boolean[n];
            for (int begin = 0; begin < n; begin += share) {
                for (int row = begin; row < begin + Tile.rows(tile) && row < n; row++) {
                    int count = Math.ceilDiv(Math.min(begin + share, n) - row, Tile.rows(tile));
                    for (int place : new int[] {count / 4, count / 2, count - 1 - count / 4}) {
                        sampled[row + place * Tile.rows(tile)] = true;
                    }
                }
            }
            for (double distance : new double[] {50.3, 1e4}) {
                step.run(i -> sampled[i] ? distance : 0.1 + 0.3 * (i % 3), i -> Math.sin(17 * i));
                step.check("outliers at " + distance);
            }
        }
    }

    // ---- dy has a mean, as a loss gives it; or is of no consequence to dx

    static Stream<Arguments> batches() {
        return Stream.of(BatchShape.of(4096, 16), BatchShape.of(300, 16), BatchShape.channelsFirst(9, 8, 3, 3))
                .flatMap(shape -> Stream.of(Layers.OWN, Layers.AS_GPU).map(limits -> Arguments.of(shape, limits)));
    }

    @ParameterizedTest
    @MethodSource("batches")
    void theGradientOfGammaKeepsItsDigitsWhereDyHasAMean(BatchShape shape, DeviceLimits limits) throws Exception {
        Random random = new Random(1);
        try (TrainingStep step = new TrainingStep(shape, limits)) {
            for (double meanOfX : new double[] {0, 3}) {
                for (double mean : new double[] {0, 3, 30, 1e5}) {
                    step.run(i -> meanOfX + random.nextGaussian(), i -> mean + random.nextGaussian());
                    step.check("mean of x " + meanOfX + ", of dy " + mean);
                }
            }
        }
    }

    /** Sums of sixteen thousand values by one work-item, in float64 and in pairs of float32. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void longSumsKeepTheirDigits(boolean fastFloat64) throws Exception {
        Random random = new Random(5);
        BatchShape shape = BatchShape.of(1 << 18, 1);
        try (TrainingStep step = new TrainingStep(shape, FEW_WORK_ITEMS.withFastFloat64(fastFloat64))) {
            for (double mean : new double[] {0, 3, 1e5}) {
                step.run(i -> 3 + random.nextGaussian(), i -> mean + random.nextGaussian());
                step.check("mean of dy " + mean);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("batches")
    void nothingIsLeftOfADyThatIsConstantOrLinearInX(BatchShape shape, DeviceLimits limits) throws Exception {
        Random random = new Random(2);
        try (TrainingStep step = new TrainingStep(shape, limits)) {
            step.run(i -> random.nextGaussian(), i -> 1);
            step.check("dy constant");
            step.run(i -> 100 + random.nextGaussian(), i -> 0.7 + 0.3 * step.x.get(i));
            step.check("dy linear in x");
        }
    }

    // ---- nothing overflows where the result does not

    @ParameterizedTest
    @MethodSource("forms")
    void productsOfLargeValuesDoNotOverflow(DeviceLimits limits) throws Exception {
        Random random = new Random(3);
        try (TrainingStep step = new TrainingStep(BatchShape.of(60, 3), limits)) {
            for (double[] sizes : new double[][] {{1e20, 1e19}, {1e30, 1e-10}, {1e-18, 1e30}, {1e38, 1}, {1, 1e38}}) {
                step.run(i -> sizes[0] * random.nextGaussian(), i -> sizes[1] * random.nextGaussian());
                step.check("x " + sizes[0] + ", dy " + sizes[1]);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("forms")
    void valuesFartherApartThanFloatsReachAreNormalized(DeviceLimits limits) throws Exception {
        int c = 2;
        try (TrainingStep step = new TrainingStep(BatchShape.of(16, c), limits)) {
            for (float one : new float[] {LARGE, 0x1p126f, 1e30f}) {
                step.run(i -> i / c == 15 ? one : -one, i -> Math.sin(i));
                step.check("one at " + one + ", fifteen opposite");
                assertThat(step.y.get(15 * c)).isCloseTo((float) Math.sqrt(15), Offset.offset(1e-5f));
            }
            step.run(i -> Math.cos(i), i -> i / c == 15 ? LARGE : -LARGE);
            step.check("dy at both ends of float32");
        }
    }

    /**
     * Feature by feature: x and mean farther apart than floats reach; a variance that eps nearly takes away; a factor
     * of y that is no float32, though y is; a mean nearly as large as floats are; one that is not so large, with x
     * beyond what floats reach from it.
     */
    @Test
    void inferenceReachesAsFarAsItsResult() throws Exception {
        float[] x = {LARGE, 1e-6f, 1e-10f, 1.5e38f, -3e38f};
        float[] mean = {-LARGE, 0, 0, 1.6e38f, 9e37f};
        float[] variance = {0x1p100f, NEGATIVE, 0, 0, 1e30f};
        float[] gamma = {1, 1, 1e38f, 0.5f, 1};
        assertInferred(1e-5, x, mean, variance, gamma);
    }

    @Test
    void inferenceTakesAnEpsThatFloatsDoNotHave() throws Exception {
        assertInferred(
                1e-46,
                new float[] {1e-10f, 3e-25f, 4},
                new float[] {0, 2e-25f, 4},
                new float[] {1e-36f, 0, 0},
                new float[] {1e25f, 1, 1});
    }

    /**
     * One sample in inference, and dx past the same statistics, each feature beside the formula in double precision.
     */
    private static void assertInferred(double eps, float[] x, float[] mean, float[] variance, float[] gamma)
            throws Exception {
        int c = x.length;
        BatchNormTasks norm = new BatchNormTasks(
                "norm",
                new BatchNormConfig(c, eps, OptionalDouble.of(0.1), true, true),
                BatchShape.of(1, c),
                Layers.DEVICE);
        for (int i = 0; i < c; i++) {
            norm.parameters().set(i, gamma[i]);
            norm.runningStatistics().set(i, mean[i]);
            norm.runningStatistics().set(c + i, variance[i]);
        }
        FloatArray in = FloatArray.fromArray(x);
        FloatArray y = Layers.filled(c, Float.NaN);
        FloatArray frozen = Layers.filled(c, Float.NaN);
        FloatArray dx = Layers.filled(c, Float.NaN);
        TaskGraph graph = new TaskGraph("serve").transferToDevice(DataTransferMode.FIRST_EXECUTION, in);
        GridScheduler grids = new GridScheduler();
        norm.on(graph, grids).inference(in, y);
        norm.on(graph, grids).frozenForward(in, frozen);
        norm.on(graph, grids, SampleCount.atMost(1)).frozenInputGradient(in, dx);
        graph.transferToHost(DataTransferMode.EVERY_EXECUTION, y, frozen, dx);
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
            BatchNormTasks.configure(plan, grids, Layers.DEVICE).execute();
        }
        for (int i = 0; i < c; i++) {
            double factor = gamma[i] / Math.sqrt(variance[i] + eps);
            assertClose("y", y.get(i), ((double) x[i] - mean[i]) * factor);
            assertClose("y of frozen statistics", frozen.get(i), ((double) x[i] - mean[i]) * factor);
            assertClose("dx past frozen statistics", dx.get(i), x[i] * factor);
        }
    }

    private static void assertClose(String what, float actual, double expected) {
        float rounded = (float) expected;
        if (Float.isFinite(rounded)) {
            assertThat((double) actual)
                    .as("%s, to be %s", what, expected)
                    .isCloseTo(expected, Offset.offset(4 * 0x1p-24 * Math.abs(expected) + Float.MIN_VALUE));
        } else {
            assertThat(actual).as("%s, to be %s", what, expected).isEqualTo(rounded);
        }
    }

    // ---- a feature's bits do not depend on the others

    @ParameterizedTest
    @MethodSource("forms")
    void aNanChangesNoBitOfAFeatureWithHugeSquares(DeviceLimits limits) throws Exception {
        float[] column = {-3e18f, 9e18f, 8e18f};
        IntToDoubleFunction x = i -> {
            int row = i / 8;
            return i % 8 == 0 ? column[row] : row;
        };
        try (TrainingStep step = new TrainingStep(BatchShape.of(3, 8), limits)) {
            step.run(x, Math::sin);
            float[] soundY = step.y.toHeapArray();
            float[] soundDx = step.dx.toHeapArray();
            step.run(i -> i == 7 ? Double.NaN : x.applyAsDouble(i), Math::sin);
            for (int i = 0; i < 24; i++) {
                boolean spoiled = i % 8 == 7;
                assertThat(step.y.get(i)).isEqualTo(spoiled ? Float.valueOf(Float.NaN) : Float.valueOf(soundY[i]));
                assertThat(step.dx.get(i)).isEqualTo(spoiled ? Float.valueOf(Float.NaN) : Float.valueOf(soundDx[i]));
            }
        }
    }
}

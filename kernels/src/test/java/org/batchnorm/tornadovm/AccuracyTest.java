package org.batchnorm.tornadovm;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.stream.Stream;
import org.assertj.core.data.Offset;
import org.batchnorm.conformance.Quantity;
import org.batchnorm.conformance.Reference;
import org.batchnorm.data.BatchShape;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.TornadoExecutionResult;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/**
 * Forward and backward against the reference in double precision, over the shapes that take different ways through the
 * kernels.
 */
class AccuracyTest {
    private static final long SEED = 0x5eed;

    static Stream<Arguments> shapes() {
        return Stream.of(
                Arguments.of("few features, many work-groups", BatchShape.of(5000, 3), Layers.TWO_STAGES),
                Arguments.of("one tile of columns", BatchShape.of(1000, 100), Layers.TWO_STAGES),
                Arguments.of(
                        "several tiles of columns, the last one part empty", BatchShape.of(70, 700), Layers.TWO_STAGES),
                Arguments.of("channels-last", BatchShape.channelsLast(11, 6, 13), Layers.TWO_STAGES),
                Arguments.of("channels-first, large S", BatchShape.channelsFirst(40, 5, 300), Layers.TWO_STAGES),
                Arguments.of("channels-first, small S", BatchShape.channelsFirst(300, 40, 7), Layers.TWO_STAGES),
                Arguments.of("one tile of columns, float64", BatchShape.of(1000, 100), Layers.TWO_STAGES_FLOAT64),
                Arguments.of(
                        "channels-first, large S, float64",
                        BatchShape.channelsFirst(40, 5, 300),
                        Layers.TWO_STAGES_FLOAT64),
                Arguments.of(
                        "channels-first, small S, float64",
                        BatchShape.channelsFirst(300, 40, 7),
                        Layers.TWO_STAGES_FLOAT64),
                Arguments.of("two values", BatchShape.of(2, 3), Layers.TWO_STAGES),
                Arguments.of("on chip, two values", BatchShape.of(2, 3), Layers.OWN),
                Arguments.of("on chip", BatchShape.of(64, 100), Layers.OWN),
                Arguments.of("on chip, in pairs", BatchShape.of(64, 100), Layers.AS_GPU),
                Arguments.of("on chip, in float64", BatchShape.of(64, 100), Layers.AS_GPU.withFastFloat64(true)),
                Arguments.of("on chip, eight columns a work-group", BatchShape.of(624, 20), Layers.OWN),
                Arguments.of("on chip, wide", BatchShape.of(9, 1000), Layers.OWN),
                Arguments.of("on chip, channels-first, large S", BatchShape.channelsFirst(6, 3, 7, 9), Layers.OWN),
                Arguments.of("on chip, channels-first, small S", BatchShape.channelsFirst(33, 21, 5), Layers.OWN),
                Arguments.of("planes on chip, in pairs", BatchShape.channelsFirst(6, 3, 7, 9), Layers.AS_GPU),
                Arguments.of("small planes on chip, in pairs", BatchShape.channelsFirst(33, 21, 5), Layers.AS_GPU));
    }

    @ParameterizedTest(name = "{0}: {1}")
    @MethodSource("shapes")
    void stepMatchesReference(String kind, BatchShape shape, DeviceLimits limits) throws Exception {
        BatchNormTasks norm = Layers.layer(shape, limits);
        Layers.randomParameters(norm, SEED);
        FloatArray x = Layers.gaussian(SEED + 1, shape.elements(), 0, 1);
        FloatArray dy = Layers.gaussian(SEED + 2, shape.elements(), 0.5, 1);
        FloatArray y = Layers.filled(shape.elements(), Float.NaN);
        FloatArray dx = Layers.filled(shape.elements(), Float.NaN);

        TaskGraph graph = new TaskGraph("step").transferToDevice(DataTransferMode.EVERY_EXECUTION, x, dy);
        GridScheduler grids = new GridScheduler();
        norm.on(graph, grids).forward(x, y);
        norm.on(graph, grids).backward(x, dy, dx);
        graph.transferToHost(DataTransferMode.EVERY_EXECUTION, y, dx);
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
            BatchNormTasks.configure(plan, grids, Layers.DEVICE);
            int c = shape.c();
            double[] runningMean = new double[c];
            double[] runningVar = new double[c];
            Arrays.fill(runningVar, 1);
            int batches = 0;
            for (Data data : Data.values()) {
                if (data == Data.FIRST_ROW_OUTLIER && shape.valuesPerFeature() == 2) {
                    continue; // dx is 1e-22 here, which the reference itself loses
                }
                data.fill(shape, x);
                TornadoExecutionResult result = plan.execute();
                result.transferToHost(
                        norm.statistics(), norm.gradients(), norm.runningStatistics(), norm.numBatchesTracked());
                Layers.Expected expected = Layers.Expected.training(norm, shape, x, dy);
                expected.check(data.name(), norm, y, dx);

                runningMean = Reference.updateRunning(
                        runningMean, expected.statistics().mean(), 0.1);
                runningVar = Reference.updateRunning(
                        runningVar,
                        Reference.unbiased(expected.statistics().variance(), shape.valuesPerFeature()),
                        0.1);
                Layers.assertWithinBar(data.name(), Quantity.RUNNING_MEAN, norm.runningStatistics(), 0, runningMean);
                Layers.assertWithinBar(data.name(), Quantity.RUNNING_VAR, norm.runningStatistics(), c, runningVar);
                batches++;
                assertThat(norm.numBatchesTracked().get(c - 1)).isEqualTo(batches);
                assertMeanHasTwoParts(data, norm, expected);
            }
        }
    }

    /** mean + meanLow is the exact mean to far more than float32. */
    private static void assertMeanHasTwoParts(Data data, BatchNormTasks norm, Layers.Expected expected) {
        int c = norm.config().features();
        for (int i = 0; i < c; i++) {
            double mean = (double) norm.statistics().get(i) + norm.statistics().get(c + i);
            double deviation = Math.sqrt(expected.statistics().variance()[i]);
            assertThat(mean)
                    .as("%s: feature %d", data, i)
                    .isCloseTo(
                            expected.statistics().mean()[i],
                            Offset.offset(1e-7 * deviation
                                    + 1e-12 * Math.abs(expected.statistics().mean()[i])));
        }
    }

    /** What a batch can be like. */
    private enum Data {
        STANDARD,
        LARGE_MEAN,
        CONSTANT_FEATURE,
        FIRST_ROW_OUTLIER;

        void fill(BatchShape shape, FloatArray x) {
            double mean = this == LARGE_MEAN ? 1e5 : 0;
            FloatArray values = Layers.gaussian(SEED + 3, shape.elements(), mean, 1);
            for (int i = 0; i < shape.elements(); i++) {
                float value = values.get(i);
                if (this == CONSTANT_FEATURE && Reference.feature(shape, i) == shape.c() / 2) {
                    value = 12345.678f;
                }
                if (this == FIRST_ROW_OUTLIER && i < shape.elements() / shape.n()) {
                    value = 1e6f;
                }
                x.set(i, value);
            }
        }
    }
}

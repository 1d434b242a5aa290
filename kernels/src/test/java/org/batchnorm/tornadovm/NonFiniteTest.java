package org.batchnorm.tornadovm;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.stream.Stream;
import org.batchnorm.conformance.Quantity;
import org.batchnorm.data.BatchShape;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/**
 * NaN and infinity stay in their feature and keep their kind, which is also to say that the compiler flags took effect.
 */
class NonFiniteTest {

    static Stream<Arguments> layers() {
        return Stream.of(
                Arguments.of(BatchShape.of(300, 9), Layers.TWO_STAGES),
                Arguments.of(BatchShape.of(300, 9), Layers.TWO_STAGES_FLOAT64),
                Arguments.of(BatchShape.of(40, 9), Layers.OWN),
                Arguments.of(BatchShape.of(40, 9), Layers.AS_GPU),
                Arguments.of(BatchShape.channelsFirst(9, 9, 4), Layers.OWN));
    }

    @ParameterizedTest
    @MethodSource("layers")
    void stayInTheirFeature(BatchShape shape, DeviceLimits limits) throws Exception {
        int c = shape.c();
        BatchNormTasks norm = Layers.layer(shape, limits);
        FloatArray x = Layers.gaussian(1, shape.elements(), 1, 1);
        FloatArray dy = Layers.gaussian(2, shape.elements(), 0, 1);
        int position = shape.featuresContiguous() ? 1 : (int) shape.spatial();
        int sample = Math.toIntExact(shape.elements() / shape.n());
        x.set(sample, Float.NaN); // feature 0
        x.set(2 * sample + position, Float.POSITIVE_INFINITY); // feature 1
        for (int n = 0; n < shape.n(); n++) {
            x.set(n * sample + 2 * position, Float.NEGATIVE_INFINITY); // feature 2, all of it or much
        }
        dy.set(sample + 4 * position, Float.NaN); // feature 4
        dy.set(sample + 5 * position, Float.POSITIVE_INFINITY); // feature 5
        FloatArray y = Layers.filled(shape.elements(), 0);
        FloatArray dx = Layers.filled(shape.elements(), 0);
        FloatArray inferred = Layers.filled(shape.elements(), 0);
        norm.runningStatistics().set(7, Float.NaN);
        norm.runningStatistics().set(c + 8, Float.POSITIVE_INFINITY);

        TaskGraph graph = new TaskGraph("step").transferToDevice(DataTransferMode.FIRST_EXECUTION, x, dy);
        GridScheduler grids = new GridScheduler();
        norm.on(graph, grids).inference(x, inferred);
        norm.on(graph, grids).forward(x, y);
        norm.on(graph, grids).backward(x, dy, dx);
        graph.transferToHost(DataTransferMode.EVERY_EXECUTION, y, dx, inferred);
        Layers.Expected expectedInference = Layers.Expected.frozen(
                norm,
                shape,
                x,
                dy,
                Layers.doubles(norm.runningStatistics(), 0, c),
                Layers.doubles(norm.runningStatistics(), c, c));
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
            BatchNormTasks.configure(plan, grids, Layers.DEVICE);
            plan.execute().transferToHost(norm.statistics(), norm.gradients(), norm.runningStatistics());
        }
        Layers.Expected.training(norm, shape, x, dy).check(shape.toString(), norm, y, dx);
        Layers.assertWithinBar("inference", Quantity.Y, inferred, 0, expectedInference.y());
        assertThat(norm.runningStatistics().get(0)).isNaN();
        assertThat(norm.runningStatistics().get(1)).isInfinite();
        assertThat(norm.runningStatistics().get(3)).isFinite();
    }
}

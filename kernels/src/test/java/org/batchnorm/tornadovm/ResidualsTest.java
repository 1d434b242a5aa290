package org.batchnorm.tornadovm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Set;
import java.util.stream.Stream;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.Activation;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/** A residual between batch norm and the activation after it, in a caller's graph. */
class ResidualsTest {
    private static final Activation LEAKY = Activation.leakyRelu(0.2);

    static Stream<Arguments> cases() {
        return Stream.of(
                Arguments.of(BatchShape.of(300, 40), Layers.TWO_STAGES),
                Arguments.of(BatchShape.channelsFirst(4, 3, 31, 33), Layers.TWO_STAGES_FLOAT64),
                Arguments.of(BatchShape.channelsFirst(30, 8, 3, 3), Layers.TWO_STAGES),
                Arguments.of(BatchShape.of(60, 40), Layers.AS_GPU));
    }

    @ParameterizedTest
    @MethodSource("cases")
    void trainingIsWithinBar(BatchShape shape, DeviceLimits limits) throws Exception {
        Data data = new Data(shape, limits);
        TaskGraph graph = data.graph();
        GridScheduler grids = new GridScheduler();
        Pieces pieces = data.norm.on(graph, grids);
        pieces.forward(data.x, data.residual, data.y);
        pieces.backward(data.x, data.y, data.dy, data.dx, data.dresidual);
        data.run(graph, grids);

        Layers.Expected.training(data.norm, shape, data.x, data.gradient())
                .withResidual(LEAKY, data.residual)
                .check(shape.toString(), data.norm, data.y, data.dx);
    }

    /** dresidual in the place of dy, and y in that of the residual; the other steps are of what the first one gives. */
    @ParameterizedTest
    @MethodSource("cases")
    void stepsInPlaceAreWithinBar(BatchShape shape, DeviceLimits limits) throws Exception {
        Data data = new Data(shape, limits);
        FloatArray gradient = FloatArray.fromArray(data.dy.toHeapArray());
        FloatArray added = FloatArray.fromArray(data.residual.toHeapArray());
        DoubleArray moments = Summaries.array(shape.c());
        DoubleArray sums = Summaries.array(shape.c());
        TaskGraph graph = data.graph().transferToDevice(DataTransferMode.EVERY_EXECUTION, gradient, added);
        GridScheduler grids = new GridScheduler();
        Pieces pieces = data.norm.on(graph, grids);
        pieces.collectStatistics(data.x, moments);
        pieces.mergeStatistics(moments);
        pieces.transform(data.x, added, added);
        Pieces before = pieces.residualGradient(added, gradient, gradient);
        before.reduceGradients(data.x, gradient, moments, sums);
        before.mergeGradients(sums);
        before.inputGradient(data.x, gradient, data.dx);
        graph.transferToHost(DataTransferMode.EVERY_EXECUTION, added, gradient);
        data.run(graph, grids);

        for (int i = 0; i < shape.elements(); i++) {
            assertThat(gradient.get(i)).isEqualTo(LEAKY.gradient(data.dy.get(i), added.get(i)));
        }
        Layers.Expected.training(data.norm, shape, data.x, gradient)
                .withResidual(LEAKY, data.residual)
                .check(shape.toString(), data.norm, added, data.dx);
    }

    @ParameterizedTest
    @MethodSource("cases")
    void frozenIsWithinBar(BatchShape shape, DeviceLimits limits) throws Exception {
        Data data = new Data(shape, limits);
        int c = shape.c();
        for (int i = 0; i < c; i++) {
            data.norm.runningStatistics().set(i, 0.1f * (i % 7 - 3));
            data.norm.runningStatistics().set(c + i, 0.5f + 0.25f * (i % 5));
        }
        double[] mean = Layers.doubles(data.norm.runningStatistics(), 0, c);
        double[] variance = Layers.doubles(data.norm.runningStatistics(), c, c);
        TaskGraph graph = data.graph();
        GridScheduler grids = new GridScheduler();
        Pieces pieces = data.norm.on(graph, grids);
        FloatArray inferred = Layers.filled(shape.elements(), Float.NaN);
        pieces.inference(data.x, data.residual, inferred);
        pieces.frozenForward(data.x, data.residual, data.y);
        pieces.frozenBackward(data.x, data.y, data.dy, data.dx, data.dresidual);
        graph.transferToHost(DataTransferMode.EVERY_EXECUTION, inferred);
        data.run(graph, grids);

        Layers.Expected expected = Layers.Expected.frozen(data.norm, shape, data.x, data.gradient(), mean, variance)
                .withResidual(LEAKY, data.residual);
        expected.check("frozen", data.norm, data.y, data.dx);
        expected.check("inference", data.norm, inferred, data.dx);
    }

    @Test
    void whatCannotBeDoneIsRefused() {
        Data data = new Data(BatchShape.of(8, 5), Layers.OWN);
        GridScheduler grids = new GridScheduler();
        Pieces pieces = data.norm.on(new TaskGraph("step"), grids);
        FloatArray few = new FloatArray(39);
        assertThatThrownBy(() -> pieces.forward(data.x, few, data.y))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("residual: an array of 39 values given");
        assertThatThrownBy(() -> pieces.backward(data.x, data.y, data.dy, data.dx, data.x))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("dresidual: the array of x given, must be another one, or that of y or dy");
        assertThatThrownBy(() -> pieces.frozenBackward(data.x, data.y, data.dy, data.dx, data.dx))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("dresidual: the array of dx given");
        assertThat(grids.keySet()).isEmpty();
    }

    /** Nothing of a backward is added where another one of the layer is in the graph. */
    @Test
    void aSecondBackwardAddsNothing() {
        Data data = new Data(BatchShape.of(8, 5), Layers.OWN);
        GridScheduler grids = new GridScheduler();
        Pieces pieces = data.norm.on(new TaskGraph("step"), grids);
        pieces.frozenForward(data.x, data.y);
        pieces.frozenBackward(data.x, data.dy, data.dx);
        Set<String> before = Set.copyOf(grids.keySet());
        assertThatThrownBy(() -> pieces.frozenBackward(data.x, data.y, data.dy, data.dx, data.dresidual))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("already");
        assertThatThrownBy(() -> pieces.backward(data.x, data.y, data.dy, data.dx, data.dresidual))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("already");
        assertThat(grids.keySet()).isEqualTo(before);
    }

    /** A layer and a random batch. */
    private static final class Data {
        final BatchShape shape;
        final BatchNormTasks norm;
        final FloatArray x;
        final FloatArray residual;
        final FloatArray dy;
        final FloatArray y;
        final FloatArray dx;
        final FloatArray dresidual;

        Data(BatchShape shape, DeviceLimits limits) {
            this.shape = shape;
            norm = BatchNormTasks.builder("norm", BatchNormConfig.of(shape.c()), shape)
                    .activation(LEAKY)
                    .build(limits);
            Layers.randomParameters(norm, 1);
            x = Layers.gaussian(2, shape.elements(), 0.3, 2);
            residual = Layers.gaussian(3, shape.elements(), 0, 1);
            dy = Layers.gaussian(4, shape.elements(), 0.1, 1);
            y = Layers.filled(shape.elements(), Float.NaN);
            dx = Layers.filled(shape.elements(), Float.NaN);
            dresidual = Layers.filled(shape.elements(), Float.NaN);
        }

        TaskGraph graph() {
            return new TaskGraph("step").transferToDevice(DataTransferMode.EVERY_EXECUTION, x, residual, dy);
        }

        void run(TaskGraph graph, GridScheduler grids) throws Exception {
            graph.transferToHost(DataTransferMode.EVERY_EXECUTION, y, dx, dresidual);
            try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
                BatchNormTasks.configure(plan, grids, Layers.DEVICE)
                        .execute()
                        .transferToHost(norm.statistics(), norm.gradients());
            }
        }

        /** dresidual, by the signs of y, and seen to be that. */
        FloatArray gradient() {
            for (int i = 0; i < shape.elements(); i++) {
                assertThat(dresidual.get(i)).isEqualTo(LEAKY.gradient(dy.get(i), y.get(i)));
            }
            return dresidual;
        }
    }
}

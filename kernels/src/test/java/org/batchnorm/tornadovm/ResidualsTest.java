package org.batchnorm.tornadovm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
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

    /** The largest batch, the samples of this one, what the device is like, and the activation. */
    static Stream<Arguments> cases() {
        return Stream.of(
                Arguments.of(BatchShape.of(300, 40), 211, Layers.TWO_STAGES, LEAKY),
                Arguments.of(BatchShape.channelsFirst(4, 3, 31, 33), 3, Layers.TWO_STAGES_FLOAT64, Activation.relu()),
                Arguments.of(BatchShape.channelsFirst(30, 8, 3, 3), 30, Layers.TWO_STAGES, Activation.NONE),
                Arguments.of(BatchShape.of(60, 40), 41, Layers.AS_GPU, Activation.leakyRelu(1.5)));
    }

    @ParameterizedTest
    @MethodSource("cases")
    void trainingIsWithinBar(BatchShape largest, int n, DeviceLimits limits, Activation activation) throws Exception {
        Data data = new Data(largest, n, limits, activation);
        BatchShape shape = data.shape;
        TaskGraph graph = data.graph();
        GridScheduler grids = new GridScheduler();
        Pieces pieces = data.norm.on(graph, grids, data.samples);
        pieces.forward(data.x, data.residual, data.y);
        pieces.backward(data.x, data.y, data.dy, data.dx, data.dresidual);
        data.run(graph, grids);

        Layers.Expected.training(data.norm, shape, data.x, data.gradient())
                .withResidual(activation, data.residual)
                .check(shape.toString(), data.norm, data.y, data.dx);
    }

    /** dresidual in the place of dy, and y in that of the residual; the other steps are of what the first one gives. */
    @ParameterizedTest
    @MethodSource("cases")
    void stepsInPlaceAreWithinBar(BatchShape largest, int n, DeviceLimits limits, Activation activation)
            throws Exception {
        Data data = new Data(largest, n, limits, activation);
        BatchShape shape = data.shape;
        FloatArray gradient = FloatArray.fromArray(data.dy.toHeapArray());
        FloatArray added = FloatArray.fromArray(data.residual.toHeapArray());
        DoubleArray moments = Summaries.array(shape.c());
        DoubleArray sums = Summaries.array(shape.c());
        TaskGraph graph = data.graph().transferToDevice(DataTransferMode.EVERY_EXECUTION, gradient, added);
        GridScheduler grids = new GridScheduler();
        Pieces pieces = data.norm.on(graph, grids, data.samples);
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
            assertThat(gradient.get(i)).isEqualTo(activation.gradient(data.dy.get(i), added.get(i)));
        }
        Layers.Expected.training(data.norm, shape, data.x, gradient)
                .withResidual(activation, data.residual)
                .check(shape.toString(), data.norm, added, data.dx);
    }

    @ParameterizedTest
    @MethodSource("cases")
    void frozenIsWithinBar(BatchShape largest, int n, DeviceLimits limits, Activation activation) throws Exception {
        Data data = new Data(largest, n, limits, activation);
        BatchShape shape = data.shape;
        int c = shape.c();
        for (int i = 0; i < c; i++) {
            data.norm.runningStatistics().set(i, 0.1f * (i % 7 - 3));
            data.norm.runningStatistics().set(c + i, 0.5f + 0.25f * (i % 5));
        }
        double[] mean = Layers.doubles(data.norm.runningStatistics(), 0, c);
        double[] variance = Layers.doubles(data.norm.runningStatistics(), c, c);
        TaskGraph graph = data.graph();
        GridScheduler grids = new GridScheduler();
        Pieces pieces = data.norm.on(graph, grids, data.samples);
        FloatArray inferred = Layers.filled(largest.elements(), Float.NaN);
        pieces.inference(data.x, data.residual, inferred);
        pieces.frozenForward(data.x, data.residual, data.y);
        pieces.frozenBackward(data.x, data.y, data.dy, data.dx, data.dresidual);
        graph.transferToHost(DataTransferMode.EVERY_EXECUTION, inferred);
        data.run(graph, grids);

        Layers.Expected expected = Layers.Expected.frozen(data.norm, shape, data.x, data.gradient(), mean, variance)
                .withResidual(activation, data.residual);
        expected.check("frozen", data.norm, data.y, data.dx);
        expected.check("inference", data.norm, inferred, data.dx);
    }

    @Test
    void whatCannotBeDoneIsRefused() {
        Data data = new Data(BatchShape.of(8, 5), 8, Layers.OWN, LEAKY);
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
        Data data = new Data(BatchShape.of(8, 5), 8, Layers.OWN, LEAKY);
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

    /** A piece of several kernels is added whole, or not at all, where one of its kernels is in the graph already. */
    @Test
    void aPieceThatIsRefusedAddsNothing() {
        Data data = new Data(BatchShape.of(300, 40), 300, Layers.TWO_STAGES, LEAKY);
        GridScheduler grids = new GridScheduler();
        Pieces step = data.norm.on(new TaskGraph("step"), grids);
        step.frozenForward(data.x, data.y);
        step.inputGradient(data.x, data.dy, data.dx);
        Pieces other = data.norm.on(new TaskGraph("other"), grids);
        other.transform(data.x, data.y);
        Set<String> before = Set.copyOf(grids.keySet());
        List<ThrowingCallable> refused = List.of(
                () -> step.forward(data.x, data.y),
                () -> step.forward(data.x, data.residual, data.y),
                () -> step.backward(data.x, data.dy, data.dx),
                () -> step.backward(data.x, data.y, data.dy, data.dx, data.dresidual),
                () -> step.frozenBackward(data.x, data.dy, data.dx),
                () -> step.frozenBackward(data.x, data.y, data.dy, data.dx, data.dresidual),
                () -> other.frozenForward(data.x, data.y),
                () -> other.frozenForward(data.x, data.residual, data.y));
        for (ThrowingCallable piece : refused) {
            assertThatThrownBy(piece)
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("already");
            assertThat(grids.keySet()).isEqualTo(before);
        }
    }

    /** A layer and a random batch. */
    private static final class Data {
        final BatchShape shape;
        final Activation activation;
        final SampleCount samples;
        final BatchNormTasks norm;
        final FloatArray x;
        final FloatArray residual;
        final FloatArray dy;
        final FloatArray y;
        final FloatArray dx;
        final FloatArray dresidual;

        Data(BatchShape largest, int n, DeviceLimits limits, Activation activation) {
            this.shape = new BatchShape(n, largest.c(), largest.spatial(), largest.layout());
            this.activation = activation;
            samples = SampleCount.atMost(Math.toIntExact(largest.n()));
            samples.set(n);
            norm = BatchNormTasks.builder("norm", BatchNormConfig.of(largest.c()), largest)
                    .activation(activation)
                    .build(limits);
            Layers.randomParameters(norm, 1);
            x = Layers.gaussian(2, largest.elements(), 0.3, 2);
            residual = Layers.gaussian(3, largest.elements(), 0, 1);
            dy = Layers.gaussian(4, largest.elements(), 0.1, 1);
            y = Layers.filled(largest.elements(), Float.NaN);
            dx = Layers.filled(largest.elements(), Float.NaN);
            dresidual = Layers.filled(largest.elements(), Float.NaN);
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
                assertThat(dresidual.get(i)).isEqualTo(activation.gradient(dy.get(i), y.get(i)));
            }
            return dresidual;
        }
    }
}

package org.batchnorm.tornadovm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.offset;

import java.util.List;
import java.util.stream.Stream;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.Activation;
import org.batchnorm.spi.Activations;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.exceptions.TornadoExecutionPlanException;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/** Activations before and after batch norm, in the same kernels. */
class ActivationsTest {
    private static final Activations RELU = Activations.NONE.withOutput(Activation.relu());
    private static final Activations BEFORE = Activations.NONE.withInput(Activation.leakyRelu(0.1));
    private static final Activations BOTH =
            Activations.NONE.withInput(Activation.relu()).withOutput(Activation.leakyRelu(0.2));

    /** How the layer runs: as a whole, in steps, or with given statistics. */
    enum Form {
        TRAINING,
        STEPS,
        FROZEN
    }

    /** Every kind of address in two stages, with each of the activations somewhere, and what fits on chip. */
    static Stream<Arguments> cases() {
        return Stream.of(
                Arguments.of(BatchShape.of(300, 40), Layers.TWO_STAGES, BOTH),
                Arguments.of(BatchShape.of(301, 40), Layers.TWO_STAGES_FLOAT64, RELU),
                Arguments.of(BatchShape.channelsFirst(4, 3, 31, 33), Layers.TWO_STAGES_FLOAT64, BOTH),
                Arguments.of(BatchShape.channelsFirst(30, 8, 3, 3), Layers.TWO_STAGES, BEFORE),
                Arguments.of(BatchShape.of(60, 40), Layers.AS_GPU, BOTH),
                Arguments.of(BatchShape.channelsFirst(2, 3, 31, 33), Layers.OWN, RELU),
                Arguments.of(BatchShape.channelsFirst(9, 8, 3, 3), Layers.AS_GPU, BEFORE));
    }

    @ParameterizedTest
    @MethodSource("cases")
    void trainingIsWithinBar(BatchShape shape, DeviceLimits limits, Activations activations) throws Exception {
        for (Form form : List.of(Form.TRAINING, Form.STEPS)) {
            try (Step step = new Step(form, shape, limits, activations)) {
                step.run();
                Layers.Expected.training(step.norm, shape, step.activatedX(), step.gradientBeforeOutput())
                        .activated(activations, step.x)
                        .check(form + " of " + shape, step.norm, step.y, step.dx);
            }
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void frozenIsWithinBar(BatchShape shape, DeviceLimits limits, Activations activations) throws Exception {
        try (Step step = new Step(Form.FROZEN, shape, limits, activations)) {
            int c = shape.c();
            for (int i = 0; i < c; i++) {
                step.norm.runningStatistics().set(i, 0.1f * (i % 7 - 3));
                step.norm.runningStatistics().set(c + i, 0.5f + 0.25f * (i % 5));
            }
            double[] mean = Layers.doubles(step.norm.runningStatistics(), 0, c);
            double[] variance = Layers.doubles(step.norm.runningStatistics(), c, c);
            step.run();
            Layers.Expected.frozen(step.norm, shape, step.activatedX(), step.gradientBeforeOutput(), mean, variance)
                    .activated(activations, step.x)
                    .check("frozen, " + shape, step.norm, step.y, step.dx);
            for (int i = 0; i < shape.elements(); i++) {
                assertThat(step.inferred.get(i)).isCloseTo(step.y.get(i), offset(1e-5f));
            }
        }
    }

    /**
     * Backward sees the very signs that forward saw, also where rounding alone decides them: beta takes away what one
     * value of each feature would be, but for its rounding. With dy a power of two for each row, dbeta tells them all.
     */
    @ParameterizedTest
    @EnumSource
    void backwardSeesTheSignsOfForward(Form form) throws Exception {
        int n = 20;
        int c = 400;
        BatchShape shape = BatchShape.of(n, c);
        for (DeviceLimits limits : List.of(Layers.OWN, Layers.TWO_STAGES)) {
            try (Step step = new Step(form, shape, limits, RELU)) {
                for (int i = 0; i < n * c; i++) {
                    step.dy.set(i, 1 << (i / c));
                }
                for (int feature = 0; feature < c; feature++) {
                    step.norm.parameters().set(feature, 1 + feature / 7f);
                    step.norm.parameters().set(c + feature, 0);
                }
                try (Step plain = new Step(form, shape, limits, Activations.NONE)) {
                    for (int i = 0; i < 2 * c; i++) {
                        plain.norm.parameters().set(i, step.norm.parameters().get(i));
                    }
                    plain.run();
                    for (int feature = 0; feature < c; feature++) {
                        int row = feature % n;
                        step.norm.parameters().set(c + feature, -plain.y.get(row * c + feature));
                    }
                }
                step.run();
                int nearZero = 0;
                for (int feature = 0; feature < c; feature++) {
                    int positive = 0;
                    for (int row = 0; row < n; row++) {
                        float y = step.y.get(row * c + feature);
                        positive += y > 0 ? 1 << row : 0;
                        nearZero += y > 0 && y < 1e-6f ? 1 : 0;
                    }
                    assertThat(step.norm.gradients().get(c + feature))
                            .as("signs of feature %d", feature)
                            .isEqualTo(positive);
                }
                assertThat(nearZero).as("values that are all rounding").isGreaterThan(c / 10);
            }
        }
    }

    /** A NaN stays one, minus infinity ends at ReLU, and zeros have no sign. */
    @Test
    void valuesThatAreNotFinite() throws Exception {
        BatchShape shape = BatchShape.of(8, 5);
        Activations relus = new Activations(Activation.relu(), Activation.relu());
        for (DeviceLimits limits : List.of(Layers.OWN, Layers.TWO_STAGES)) {
            for (Form form : Form.values()) {
                try (Step step = new Step(form, shape, limits, relus)) {
                    step.x.set(0, Float.NaN);
                    step.x.set(1, Float.NEGATIVE_INFINITY);
                    step.dy.set(2, Float.POSITIVE_INFINITY);
                    step.x.set(2, -1);
                    step.norm.parameters().set(5 + 2, -9);
                    step.run();
                    assertThat(step.y.get(0)).as("%s: y of NaN", form).isNaN();
                    assertThat(Float.isNaN(step.y.get(5)))
                            .as("%s: y of its feature is NaN", form)
                            .isEqualTo(form != Form.FROZEN);
                    for (int i = 1; i < shape.elements(); i++) {
                        if (i % 5 != 0) {
                            assertThat(step.y.get(i)).as("%s: y[%d]", form, i).isFinite();
                            assertThat(step.dx.get(i)).as("%s: dx[%d]", form, i).isFinite();
                        }
                        if (i % 5 == 2) {
                            assertThat(step.y.get(i)).isEqualTo(0f);
                            assertThat(Float.floatToRawIntBits(step.y.get(i)))
                                    .as("bits of zero")
                                    .isZero();
                        }
                    }
                }
            }
        }
    }

    @Test
    void whatCannotBeDoneIsRefused() {
        BatchNormConfig config = BatchNormConfig.of(5);
        BatchShape shape = BatchShape.of(8, 5);
        assertThatThrownBy(() -> BatchNormTasks.builder("norm", config, shape).activation(null))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("activation: null given, must be an Activation");
        Pieces pieces = layer(shape, Layers.OWN, RELU).on(new TaskGraph("step"), new GridScheduler());
        FloatArray dy = new FloatArray(40);
        assertThatThrownBy(() -> pieces.frozenInputGradient(dy, dy))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("call frozenInputGradient(x, dy, dx)");
    }

    private static BatchNormTasks layer(BatchShape shape, DeviceLimits limits, Activations activations) {
        return BatchNormTasks.builder("norm", BatchNormConfig.of(shape.c()), shape)
                .inputActivation(activations.input())
                .activation(activations.output())
                .build(limits);
    }

    /** Forward and backward of a random batch; the frozen form has an inference beside. */
    private static final class Step implements AutoCloseable {
        final BatchNormTasks norm;
        final FloatArray x;
        final FloatArray dy;
        final FloatArray y;
        final FloatArray dx;
        final FloatArray inferred;
        private final Activations activations;
        private final TornadoExecutionPlan plan;

        Step(Form form, BatchShape shape, DeviceLimits limits, Activations activations) {
            this.activations = activations;
            norm = layer(shape, limits, activations);
            Layers.randomParameters(norm, 1);
            x = Layers.withZeros(Layers.gaussian(2, shape.elements(), 0.3, 2));
            dy = Layers.gaussian(3, shape.elements(), 0.1, 1);
            y = Layers.filled(shape.elements(), Float.NaN);
            dx = Layers.filled(shape.elements(), Float.NaN);
            inferred = Layers.filled(shape.elements(), Float.NaN);
            TaskGraph graph = new TaskGraph("step").transferToDevice(DataTransferMode.EVERY_EXECUTION, x, dy);
            GridScheduler grids = new GridScheduler();
            Pieces pieces = norm.on(graph, grids);
            switch (form) {
                case TRAINING -> {
                    pieces.forward(x, y);
                    pieces.backward(x, dy, dx);
                }
                case STEPS -> addSteps(pieces, shape.c());
                case FROZEN -> {
                    pieces.frozenForward(x, y);
                    pieces.frozenBackward(x, dy, dx);
                    pieces.inference(x, inferred);
                    graph.transferToHost(DataTransferMode.EVERY_EXECUTION, inferred);
                }
            }
            graph.transferToHost(DataTransferMode.EVERY_EXECUTION, y, dx);
            plan = BatchNormTasks.configure(new TornadoExecutionPlan(graph.snapshot()), grids, Layers.DEVICE);
        }

        private void addSteps(Pieces pieces, int features) {
            DoubleArray moments = Summaries.array(features);
            DoubleArray sums = Summaries.array(features);
            pieces.collectStatistics(x, moments);
            pieces.mergeStatistics(moments);
            pieces.transform(x, y);
            pieces.reduceGradients(x, dy, moments, sums);
            pieces.mergeGradients(sums);
            pieces.inputGradient(x, dy, dx);
        }

        void run() {
            plan.execute().transferToHost(norm.statistics(), norm.gradients());
        }

        FloatArray activatedX() {
            FloatArray values = new FloatArray(x.getSize());
            for (int i = 0; i < values.getSize(); i++) {
                values.set(i, activations.input().of(x.get(i)));
            }
            return values;
        }

        /** By the signs of y, which are those that batch norm had. */
        FloatArray gradientBeforeOutput() {
            FloatArray values = new FloatArray(dy.getSize());
            for (int i = 0; i < values.getSize(); i++) {
                values.set(i, activations.output().gradient(dy.get(i), y.get(i)));
            }
            return values;
        }

        @Override
        public void close() throws TornadoExecutionPlanException {
            plan.close();
        }
    }
}

package org.batchnorm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.offset;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.stream.Stream;
import org.batchnorm.conformance.Quantity;
import org.batchnorm.conformance.Reference;
import org.batchnorm.conformance.Rounded;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.Activation;
import org.batchnorm.spi.Activations;
import org.batchnorm.spi.BackendOptions;
import org.batchnorm.spi.Backends;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * What every backend must do beside batch norm, {@code y = output(BN(input(x)) + residual)}: the results of separate
 * passes in double precision, whose signs are those of the y that the backend gave.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
public abstract class FusedContractTest {
    /** Activations before batch norm. */
    protected static final List<Activation> BEFORE =
            List.of(Activation.NONE, Activation.leakyRelu(0.1), Activation.relu());

    /** Activations after it. */
    protected static final List<Activation> AFTER =
            List.of(Activation.relu(), Activation.NONE, Activation.leakyRelu(0.2));

    private static final List<Mode> MODES = List.of(Mode.TRAINING, Mode.FROZEN);

    /** One of each way in which a CPU divides its work. */
    private static final List<BatchShape> SHAPES = List.of(
            BatchShape.of(64, 33),
            BatchShape.of(3000, 20),
            BatchShape.channelsFirst(5, 7, 13),
            BatchShape.channelsFirst(4, 3, 31, 33),
            BatchShape.channelsLast(5, 7, 13));

    /**
     * What a step is.
     *
     * @param adding a residual
     * @param beyondFloat32 with features that are mapped in double precision, or in another unit
     */
    protected record Given(
            BatchShape shape, Activations activations, boolean adding, Mode mode, boolean beyondFloat32) {}

    /** The backend's name, which is forced. */
    protected abstract String backend();

    /** Those of the default build. */
    protected Stream<Given> pairs() {
        return combinations(2, SHAPES, BEFORE, AFTER);
    }

    /** Those that the thorough build adds. */
    protected Stream<Given> thorough() {
        return combinations(Combinations.ALL, SHAPES, BEFORE, AFTER);
    }

    /** Combinations of any so many of what a step is. */
    protected static Stream<Given> combinations(
            int strength, List<BatchShape> shapes, List<Activation> before, List<Activation> after) {
        return Combinations.covering(
                strength,
                choice -> new Given(
                        choice.of(shapes),
                        new Activations(choice.of(before), choice.of(after)),
                        choice.either(),
                        choice.of(MODES),
                        choice.either()));
    }

    @ParameterizedTest
    @MethodSource("pairs")
    void aStepIsWithinBar(Given given) {
        Values batch = Values.random(given.shape, 1).withZeros();
        Case step = new Case(given.beyondFloat32 ? beyondFloat32(batch) : batch, given.activations, given.adding);
        try (BatchNorm layer = layer(given.shape, given.activations)) {
            for (int c = 0; c < given.shape.c(); c++) {
                layer.runningMean()[c] = 0.2f * (c % 5 - 2);
                layer.runningVar()[c] = 0.5f + 0.25f * (c % 4);
            }
            double[] mean = Reference.widen(layer.runningMean());
            double[] rstd = Reference.rstd(Reference.widen(layer.runningVar()), LayerCalls.EPS);
            Run run = step.run(layer.mode(given.mode));

            Reference.Statistics ofBatch =
                    Reference.statistics(given.shape, Reference.widen(step.activatedX()), LayerCalls.EPS);
            if (given.mode == Mode.TRAINING) {
                step.check(layer, run, ofBatch.mean(), ofBatch.rstd(), true);
            } else {
                step.check(layer, run, mean, rstd, false);
                float[] y = new float[run.y.length];
                step.forward(layer.eval(), Batch.of(step.batch.x(), given.shape), Batch.of(y, given.shape), null);
                if (given.beyondFloat32) {
                    // Mapped in double precision, where a last bit tells that a frozen forward keeps rstd as a float.
                    step.checkOutput(y, mean, rstd);
                } else {
                    assertThat(y).as("inference").isEqualTo(run.y);
                }
            }
            whereDataLieChangesNoBit(step, layer.mode(given.mode), run);
        }
    }

    /** With features of which float32 does not hold gamma · rstd. */
    private static Values beyondFloat32(Values batch) {
        for (int i = 0; i < batch.x().length; i++) {
            int kind = Reference.feature(batch.shape(), i) % 3;
            batch.x()[i] *= kind == 0 ? 1e37f : kind == 1 ? 1e-3f : 1;
            batch.dy()[i] *= kind == 0 ? 1e10f : kind == 1 ? 1e-5f : 1;
        }
        for (int c = 0; c < batch.weight().length; c++) {
            batch.weight()[c] *= c % 3 == 0 ? 1e-38f : c % 3 == 1 ? 2e37f : 1;
        }
        return batch;
    }

    /** Segments, and outputs in the place of inputs. */
    private static void whereDataLieChangesNoBit(Case given, BatchNorm layer, Run expected) {
        try (Arena arena = Arena.ofShared()) {
            BatchShape shape = given.shape();
            Batch x = inSegment(given.batch.x(), shape, arena);
            Batch dy = inSegment(given.batch.dy(), shape, arena);
            Batch residual = inSegment(given.residual, shape, arena);
            SavedStatistics saved = new SavedStatistics(shape.c());
            layer.zeroGradients();
            if (given.adding) {
                layer.forward(x, residual, residual, saved);
                assertThat(values(residual)).isEqualTo(expected.y);
                layer.backward(x, residual, dy, x, dy, saved);
                assertThat(values(dy)).as("dresidual in dy").isEqualTo(expected.dresidual);
            } else {
                Batch y = inSegment(given.batch.x(), shape, arena);
                layer.forward(y, y, saved);
                assertThat(values(y)).isEqualTo(expected.y);
                layer.backward(x, dy, x, saved);
            }
            assertThat(values(x)).as("dx in x").isEqualTo(expected.dx);
            assertThat(layer.weightGradient()).isEqualTo(expected.dweight);
            assertThat(layer.biasGradient()).isEqualTo(expected.dbias);
        }
    }

    private static Batch inSegment(float[] values, BatchShape shape, Arena arena) {
        MemorySegment segment = arena.allocateFrom(ValueLayout.JAVA_FLOAT, values);
        return Batch.of(segment, shape);
    }

    private static float[] values(Batch batch) {
        return batch.segment().toArray(ValueLayout.JAVA_FLOAT);
    }

    /** The stages one by one, as those who merge statistics and gradients call them. */
    @ParameterizedTest
    @MethodSource("pairs")
    void stagesGiveTheWholeOperation(Given given) {
        Case step = new Case(Values.random(given.shape, 4).withZeros(), given.activations, given.adding);
        try (BatchNormOperations operations = operations()) {
            BatchStatistics statistics = new BatchStatistics(given.shape.c());
            Batch x = Batch.of(step.batch.x(), given.shape);
            Batch y = step.empty();
            Tensors tensors = new Tensors(given.activations);
            operations.forward(
                    tensors.forward(x, y).withResidual(step.addend(), null), step.normalization(statistics, true));
            Normalization normalization = step.normalization(statistics, given.mode == Mode.TRAINING);
            Batch again = step.empty();
            operations.transform(tensors.forward(x, again).withResidual(step.addend(), null), normalization);
            Near.assertNear("y of transform", again.array(), y.array(), 1e-5);

            Batch dx = step.empty();
            Batch dresidual = step.empty();
            GradientSums sums = new GradientSums(given.shape.c());
            operations.backward(step.backward(tensors, x, again, dx, dresidual), normalization, sums);
            Batch dxOfStages = step.empty();
            Batch dresidualOfStages = step.empty();
            GradientSums sumsOfStages = new GradientSums(given.shape.c());
            step.backward(tensors, x, again, dxOfStages, dresidualOfStages);
            operations.reduceGradients(tensors, normalization, sumsOfStages);
            operations.inputGradient(tensors, normalization, sumsOfStages);

            Near.assertNear("dx", dxOfStages.array(), dx.array(), 2e-5);
            for (int c = 0; c < given.shape.c(); c++) {
                assertThat(sumsOfStages.dgamma()[c]).isCloseTo(sums.dgamma()[c], offset(2e-4));
                assertThat(sumsOfStages.dbeta()[c]).isCloseTo(sums.dbeta()[c], offset(2e-4));
            }
            assertThat(dresidualOfStages.array()).isEqualTo(dresidual.array());
        }
    }

    @Tag("thorough")
    @ParameterizedTest
    @MethodSource("thorough")
    void moreStepsAndStages(Given given) {
        aStepIsWithinBar(given);
        stagesGiveTheWholeOperation(given);
    }

    private BatchNormOperations operations() {
        return Backends.open(Optional.of(backend()), BackendOptions.fromSystemProperties())
                .operations();
    }

    /** Where gamma and beta are 0 all that the activation sees is 0: the derivative is the negative side's. */
    @Test
    void theGradientAtZero() {
        BatchShape shape = BatchShape.of(64, 33);
        Case given =
                new Case(Values.random(shape, 5), new Activations(Activation.relu(), Activation.leakyRelu(0.2)), false);
        given.batch.weight()[3] = 0;
        given.batch.bias()[3] = 0;
        try (BatchNorm layer = layer(shape, given.activations)) {
            Run run = given.run(layer);

            float sum = 0;
            for (int i = 3; i < run.y.length; i += 33) {
                assertThat(run.y[i]).isEqualTo(0f);
                sum += 0.2f * given.batch.dy()[i];
            }
            assertThat(run.dbias[3]).isCloseTo(sum, offset(1e-5f));
        }
    }

    @Test
    void gradientsAreThoseOfFiniteDifferences() {
        BatchShape shape = BatchShape.of(6, 3);
        // Of these seeds no value lies so near a kink that the differences reach over it.
        Values batch = Values.random(shape, 8);
        Case given = new Case(batch, new Activations(Activation.leakyRelu(0.3), Activation.leakyRelu(0.1)), true, 17);
        try (BatchNorm layer = layer(shape, given.activations)) {
            Run run = given.run(layer);
            float step = 0x1p-10f;
            for (int i = 0; i < run.dx.length; i++) {
                double byX = (given.loss(layer, i, step, 0) - given.loss(layer, i, -step, 0)) / (2 * step);
                double byResidual = (given.loss(layer, i, 0, step) - given.loss(layer, i, 0, -step)) / (2 * step);

                assertThat(run.dx[i]).as("dx[%d]", i).isCloseTo((float) byX, offset(2e-3f));
                assertThat(run.dresidual[i]).as("dresidual[%d]", i).isCloseTo((float) byResidual, offset(2e-3f));
            }
        }
    }

    private BatchNorm layer(BatchShape shape, Activations activations) {
        return BatchNorm.builder(shape.c())
                .backend(backend())
                .inputActivation(activations.input())
                .activation(activations.output())
                .build();
    }

    // ---- one step

    /** What one forward and backward gave; dresidual is empty without a residual. */
    @SuppressWarnings("ArrayRecordComponent") // a bundle of results, never compared
    private record Run(float[] y, float[] dx, float[] dresidual, float[] dweight, float[] dbias) {}

    /** The inputs of one step. */
    @SuppressWarnings("ArrayRecordComponent") // a bundle of inputs, never compared
    private record Case(Values batch, Activations activations, boolean adding, float[] residual) {

        Case(Values batch, Activations activations, boolean adding) {
            this(batch, activations, adding, 99);
        }

        Case(Values batch, Activations activations, boolean adding, long seed) {
            this(batch, activations, adding, random(batch.x().length, seed));
        }

        private static float[] random(int length, long seed) {
            Random random = new Random(seed);
            float[] values = new float[length];
            for (int i = 0; i < length; i++) {
                values[i] = (float) random.nextGaussian();
            }
            return values;
        }

        BatchShape shape() {
            return batch.shape();
        }

        Batch empty() {
            return Batch.of(new float[batch.x().length], shape());
        }

        Batch addend() {
            return adding ? Batch.of(residual, shape()) : null;
        }

        Normalization normalization(BatchStatistics statistics, boolean through) {
            return new Normalization(batch.weight(), batch.bias(), LayerCalls.EPS, statistics, through);
        }

        Tensors backward(Tensors tensors, Batch x, Batch y, Batch dx, Batch dresidual) {
            Batch dy = Batch.of(batch.dy(), shape());
            return adding ? tensors.backward(x, y, dy, dx, dresidual) : tensors.backward(x, dy, dx);
        }

        void forward(BatchNorm layer, Batch x, Batch y, SavedStatistics saved) {
            System.arraycopy(batch.weight(), 0, layer.weight(), 0, batch.weight().length);
            System.arraycopy(batch.bias(), 0, layer.bias(), 0, batch.bias().length);
            if (saved == null) {
                if (adding) {
                    layer.forward(x, addend(), y);
                } else {
                    layer.forward(x, y);
                }
            } else if (adding) {
                layer.forward(x, addend(), y, saved);
            } else {
                layer.forward(x, y, saved);
            }
        }

        Run run(BatchNorm layer) {
            layer.zeroGradients();
            Batch x = Batch.of(batch.x().clone(), shape());
            Batch dy = Batch.of(batch.dy().clone(), shape());
            Batch y = empty();
            Batch dx = empty();
            Batch dresidual = empty();
            SavedStatistics saved = new SavedStatistics(shape().c());
            forward(layer, x, y, saved);
            if (adding) {
                layer.backward(x, y, dy, dx, dresidual, saved);
            } else {
                layer.backward(x, dy, dx, saved);
            }
            assertThat(x.array()).as("x, an input").isEqualTo(batch.x());
            assertThat(dy.array()).as("dy, an input").isEqualTo(batch.dy());
            return new Run(
                    y.array(),
                    dx.array(),
                    dresidual.array(),
                    layer.weightGradient().clone(),
                    layer.biasGradient().clone());
        }

        float[] activatedX() {
            float[] values = batch.x().clone();
            for (int i = 0; i < values.length; i++) {
                values[i] = activations.input().of(values[i]);
            }
            return values;
        }

        void check(BatchNorm layer, Run run, double[] mean, double[] rstd, boolean through) {
            double[] a = Reference.widen(activatedX());
            double[] gamma = Reference.widen(batch.weight());
            float[] dy = batch.dy().clone();
            for (int i = 0; i < dy.length; i++) {
                dy[i] = activations.output().gradient(dy[i], run.y[i]);
            }
            if (adding) {
                assertThat(run.dresidual).as("dresidual").isEqualTo(dy);
            }
            double[] wideDy = Reference.widen(dy);
            Reference.Gradients gradients = Reference.backward(shape(), a, wideDy, gamma, mean, rstd, through);
            Reference.Gradients rounded = Rounded.gradients(shape(), a, wideDy, gamma, mean, rstd, through);
            for (int i = 0; i < dy.length; i++) {
                double derivative = activations.input().derivative(batch.x()[i]);
                gradients.dx()[i] *= derivative;
                rounded.dx()[i] *= derivative;
            }
            checkOutput(run.y, mean, rstd);
            Step.of(layer, shape(), run.y, run.dx)
                    .isWithinBar(Quantity.DX, gradients.dx(), rounded.dx())
                    .isWithinBar(Quantity.DWEIGHT, gradients.dgamma(), rounded.dgamma())
                    .isWithinBar(Quantity.DBIAS, gradients.dbeta(), rounded.dbeta());
        }

        void checkOutput(float[] y, double[] mean, double[] rstd) {
            double[] bn = Reference.transform(
                    shape(),
                    Reference.widen(activatedX()),
                    Reference.widen(batch.weight()),
                    Reference.widen(batch.bias()),
                    mean,
                    rstd);
            double[] wideResidual = Reference.widen(adding ? residual : new float[residual.length]);
            double[] expected = Reference.addResidual(bn, wideResidual, activations.output());
            Step.assertWithinBar(shape(), Quantity.Y, y, expected, Rounded.withResidual(bn, wideResidual));
        }

        /** The loss of which dy is the gradient, with one x or one value of the residual moved. */
        double loss(BatchNorm layer, int moved, float ofX, float ofResidual) {
            float[] x = batch.x().clone();
            float[] r = residual.clone();
            x[moved] += ofX;
            r[moved] += ofResidual;
            Batch y = empty();
            new Case(batch.withX(x), activations, adding, r).forward(layer, Batch.of(x, shape()), y, null);
            double loss = 0;
            for (int i = 0; i < x.length; i++) {
                loss += (double) y.array()[i] * batch.dy()[i];
            }
            return loss;
        }
    }
}

package org.batchnorm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.offset;

import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.batchnorm.conformance.Quantity;
import org.batchnorm.conformance.Reference;
import org.batchnorm.conformance.Rounded;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.spi.Activation;
import org.batchnorm.spi.Activations;
import org.batchnorm.spi.InProcessExchange;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A layer with a residual against one without, and the sum and the activation outside of it. */
class ResidualTest {
    /** A shape for each way in which the work is cut, the last ones for pieces that are parts of a row or run. */
    private static final List<BatchShape> SHAPES = List.of(
            BatchShape.of(32, 128),
            BatchShape.of(61, 200),
            BatchShape.of(24, 2100),
            BatchShape.of(5000, 7),
            BatchShape.of(2, 3),
            BatchShape.channelsFirst(40, 60, 9),
            BatchShape.channelsFirst(5, 3, 2491),
            BatchShape.channelsFirst(3, 5, 196),
            BatchShape.channelsLast(9, 20, 109),
            BatchShape.of(66, 530),
            BatchShape.of(3, 9001),
            BatchShape.channelsFirst(2, 2, 9001));

    /** Of the pairs one in so many is tried with other values, too. */
    private static final int SOME = 9;

    private static final List<Activations> ACTIVATIONS = List.of(
            new Activations(Activation.NONE, Activation.relu()),
            new Activations(Activation.NONE, Activation.leakyRelu(0.01)),
            Activations.NONE,
            new Activations(Activation.leakyRelu(0.1), Activation.NONE),
            new Activations(Activation.relu(), Activation.leakyRelu(0.2)),
            new Activations(Activation.leakyRelu(0.5), Activation.leakyRelu(1.5)));

    /** In which memory the tensors lie, and which of them lie in one. */
    enum Place {
        ARRAYS,
        SEGMENTS,
        MIXED,
        Y_IN_RESIDUAL,
        Y_IN_X,
        DRESIDUAL_IN_DY,
        DRESIDUAL_IN_DY_SEGMENTS,
        DRESIDUAL_IN_Y
    }

    /** A step on a backend with so many threads. */
    record Case(BatchShape shape, Place place, Activations activations, String backend, Mode mode, int threads) {

        static Stream<Case> combinations(int strength) {
            return Combinations.covering(
                    strength,
                    choice -> new Case(
                            choice.of(SHAPES),
                            choice.of(List.of(Place.values())),
                            choice.of(ACTIVATIONS),
                            choice.of(List.of("vector", "scalar")),
                            choice.of(List.of(Mode.TRAINING, Mode.FROZEN)),
                            choice.of(List.of(1, 2, 3))));
        }

        BatchNormBuilder builder() {
            return ResidualTest.builder(backend, shape, activations).threads(threads);
        }
    }

    static Stream<Case> pairs() {
        return Case.combinations(2);
    }

    /** Some of them, of every place. */
    static Stream<Case> somePairs() {
        List<Case> pairs = pairs().toList();
        return IntStream.range(0, Math.ceilDiv(pairs.size(), SOME)).mapToObj(i -> pairs.get(SOME * i));
    }

    /** All combinations, 6,912, would take minutes. */
    static Stream<Case> anyThree() {
        return Case.combinations(3);
    }

    @Tag("thorough")
    @ParameterizedTest
    @MethodSource("anyThree")
    void anyThreeTogether(Case given) {
        theBitsAreThoseOfSeparatePasses(given);
        isWithinBar(given);
        featuresBeyondFloat32(given);
        aResidualThatIsNotFiniteStaysInItsPlace(given);
    }

    /** Without fusion there are more passes over memory, but no other bit. */
    @ParameterizedTest
    @MethodSource("pairs")
    void theBitsAreThoseOfSeparatePasses(Case given) {
        Values batch = Values.random(given.shape, 1);
        bitsAreThoseOfSeparatePasses(given.builder(), batch, residual(given.shape, 2), given.mode, given.place);
    }

    private static void bitsAreThoseOfSeparatePasses(
            BatchNormBuilder builder, Values batch, float[] residual, Mode mode, Place place) {
        try (BatchNorm layer = builder.build();
                BatchNorm plain = builder.activation(Activation.NONE).threads(1).build();
                Arena arena = Arena.ofShared()) {
            Activation output = layer.function.activations.output();
            Run run = Run.of(layer.mode(mode), batch, residual, place, arena);

            set(plain.mode(mode), batch);
            float[] z = new float[residual.length];
            SavedStatistics saved = new SavedStatistics(batch.shape().c());
            plain.forward(batch.x(), z, batch.shape(), saved);
            float[] y = new float[z.length];
            float[] dresidual = new float[z.length];
            for (int i = 0; i < z.length; i++) {
                y[i] = output.of(z[i] + residual[i]);
                dresidual[i] = output.gradient(batch.dy()[i], y[i]);
            }
            float[] dx = new float[z.length];
            plain.backward(batch.x(), dresidual, dx, batch.shape(), saved);

            assertThat(run.y).as("y").isEqualTo(y);
            assertThat(run.dresidual).as("dresidual").isEqualTo(dresidual);
            assertThat(run.dx).as("dx").isEqualTo(dx);
            assertThat(layer.weightGradient()).isEqualTo(plain.weightGradient());
            assertThat(layer.biasGradient()).isEqualTo(plain.biasGradient());
            assertThat(layer.runningMean()).isEqualTo(plain.runningMean());
            assertThat(layer.runningVar()).isEqualTo(plain.runningVar());
        }
    }

    /**
     * Of this seed no feature is one of the few that docs/numerics.md tells of: of others, about one case in 200 has
     * one.
     */
    @ParameterizedTest
    @MethodSource("somePairs")
    void isWithinBar(Case given) {
        Values batch = Values.random(given.shape, 45);
        isWithinBar(given.builder(), batch, residual(given.shape, 4), given.mode, given.place);
    }

    private static void isWithinBar(BatchNormBuilder builder, Values batch, float[] residual, Mode mode, Place place) {
        BatchShape shape = batch.shape();
        try (BatchNorm layer = builder.build();
                Arena arena = Arena.ofShared()) {
            Activations activations = layer.function.activations;
            double[] a = new double[residual.length];
            for (int i = 0; i < a.length; i++) {
                a[i] = activations.input().of(batch.x()[i]);
            }
            boolean training = mode == Mode.TRAINING;
            Reference.Statistics ofBatch = Reference.statistics(shape, a, LayerCalls.EPS);
            double[] mean = training ? ofBatch.mean() : Reference.widen(layer.runningMean());
            double[] rstd =
                    training ? ofBatch.rstd() : Reference.rstd(Reference.widen(layer.runningVar()), LayerCalls.EPS);
            double[] gamma = Reference.widen(batch.weight());
            double[] wideResidual = Reference.widen(residual);
            double[] bn = Reference.transform(shape, a, gamma, Reference.widen(batch.bias()), mean, rstd);
            double[] y = Reference.addResidual(bn, wideResidual, activations.output());

            Run run = Run.of(layer.mode(mode), batch, residual, place, arena);

            double[] dresidual = Reference.residualGradient(
                    Reference.widen(run.y), Reference.widen(batch.dy()), activations.output());
            Reference.Gradients gradients = Reference.backward(shape, a, dresidual, gamma, mean, rstd, training);
            Reference.Gradients rounded = Rounded.gradients(shape, a, dresidual, gamma, mean, rstd, training);
            for (int i = 0; i < a.length; i++) {
                double derivative = activations.input().derivative(batch.x()[i]);
                gradients.dx()[i] *= derivative;
                rounded.dx()[i] *= derivative;
            }
            Step.assertWithinBar(shape, Quantity.Y, run.y, y, Rounded.withResidual(bn, wideResidual));
            Step.of(layer, shape, run.y, run.dx)
                    .isWithinBar(Quantity.DX, gradients.dx(), rounded.dx())
                    .isWithinBar(Quantity.DWEIGHT, gradients.dgamma(), rounded.dgamma())
                    .isWithinBar(Quantity.DBIAS, gradients.dbeta(), rounded.dbeta());
            float[] roundedOnce = new float[dresidual.length];
            for (int i = 0; i < dresidual.length; i++) {
                roundedOnce[i] = (float) dresidual[i];
            }
            assertThat(run.dresidual).isEqualTo(roundedOnce);
        }
    }

    /** A residual that takes away what batch norm makes leaves the rounding of what was taken. */
    @ParameterizedTest
    @ValueSource(strings = {"vector", "scalar"})
    void aResidualThatCancels(String backend) {
        BatchShape shape = BatchShape.of(61, 200);
        Values batch = Values.random(shape, 5);
        float[] residual = new float[batch.x().length];
        try (BatchNorm plain = builder(backend, shape, Activations.NONE).build()) {
            set(plain, batch);
            plain.forward(batch.x(), residual, shape);
        }
        for (int i = 0; i < residual.length; i++) {
            residual[i] *= -1 + 0x1p-20f;
        }
        isWithinBar(
                builder(backend, shape, new Activations(Activation.NONE, Activation.leakyRelu(0.1))),
                batch,
                residual,
                Mode.TRAINING,
                Place.ARRAYS);
    }

    /**
     * The samples of dresidual are its outliers, so that the sums about their mean are made once more. By then
     * dresidual has the place of dy, and LeakyReLU's slope must not be applied to it again.
     */
    @ParameterizedTest
    @ValueSource(strings = {"vector", "scalar"})
    void whatIsReducedAgainIsDifferentiatedOnce(String backend) {
        for (BatchShape shape : List.of(BatchShape.of(64, 300), BatchShape.of(1024, 64))) {
            Values random = Values.random(shape, 6);
            float[] dy = random.dy().clone();
            long apart = shape.n() / (shape.n() == 64 ? 8 : 16);
            for (int i = 0; i < dy.length; i++) {
                dy[i] += i / shape.c() % apart == 0 ? 1000 : 0;
            }
            float[] residual = residual(shape, 7);
            Activations leaky = new Activations(Activation.NONE, Activation.leakyRelu(0.5));
            for (Place place : List.of(Place.ARRAYS, Place.DRESIDUAL_IN_DY, Place.DRESIDUAL_IN_Y)) {
                bitsAreThoseOfSeparatePasses(
                        builder(backend, shape, leaky).threads(2), random.withDy(dy), residual, Mode.TRAINING, place);
            }
        }
    }

    /**
     * Features whose gamma · rstd float32 does not hold, and such as overflow when they are summed; of a seed with none
     * of the features that docs/numerics.md tells of.
     */
    @ParameterizedTest
    @MethodSource("somePairs")
    void featuresBeyondFloat32(Case given) {
        BatchShape shape = given.shape;
        Values batch = Values.random(shape, 23);
        float[] residual = residual(shape, 9);
        for (int i = 0; i < batch.x().length; i++) {
            int kind = Reference.feature(shape, i) % 3;
            batch.x()[i] *= kind == 0 ? 1e37f : kind == 1 ? 1e-3f : 1;
            batch.dy()[i] *= kind == 0 ? 1e10f : kind == 1 ? 1e-5f : 1;
            residual[i] *= kind == 1 ? 1e36f : 1;
        }
        for (int c = 0; c < shape.c(); c++) {
            batch.weight()[c] *= c % 3 == 0 ? 1e-38f : c % 3 == 1 ? 2e37f : 1;
        }
        isWithinBar(given.builder(), batch, residual, given.mode, given.place);
    }

    /** It spoils y where it stands, and nothing else: no statistics, no other value. */
    @ParameterizedTest
    @MethodSource("somePairs")
    void aResidualThatIsNotFiniteStaysInItsPlace(Case given) {
        Activation output = given.activations.output();
        Values batch = Values.random(given.shape, 10);
        float[] residual = residual(given.shape, 11);
        float[] spoiled = residual.clone();
        spoiled[1] = Float.NaN;
        spoiled[2] = Float.POSITIVE_INFINITY;
        spoiled[4] = Float.NEGATIVE_INFINITY;
        try (BatchNorm layer = given.builder().build();
                BatchNorm other = given.builder().threads(1).build();
                Arena arena = Arena.ofShared()) {
            Run expected = Run.of(other.mode(given.mode), batch, residual, Place.ARRAYS, arena);
            Run run = Run.of(layer.mode(given.mode), batch, spoiled, given.place, arena);

            float[] y = expected.y.clone();
            y[1] = Float.NaN;
            y[2] = Float.POSITIVE_INFINITY;
            y[4] = output.of(Float.NEGATIVE_INFINITY);
            assertThat(run.y).isEqualTo(y);
            assertThat(layer.runningMean()).isEqualTo(other.runningMean());
            assertThat(run.dx).doesNotContain(Float.NaN);
            assertThat(run.dresidual[1]).isEqualTo(output.gradient(batch.dy()[1], Float.NaN));
        }
    }

    /** In inference as in training with the same statistics, and with saved statistics as without. */
    @ParameterizedTest
    @ValueSource(strings = {"vector", "scalar"})
    void inference(String backend) {
        BatchShape shape = BatchShape.channelsFirst(7, 6, 130);
        Activations relu = new Activations(Activation.NONE, Activation.relu());
        Values batch = Values.random(shape, 12);
        float[] residual = residual(shape, 13);
        try (BatchNorm layer = builder(backend, shape, relu).build()) {
            set(layer, batch);
            float[] trained = new float[residual.length];
            layer.forward(Batch.of(batch.x(), shape), Batch.of(residual, shape), Batch.of(trained, shape));
            float[] frozen = new float[residual.length];
            layer.freezeStatistics();
            layer.forward(Batch.of(batch.x(), shape), Batch.of(residual, shape), Batch.of(frozen, shape));
            float[] y = new float[residual.length];
            layer.eval();
            layer.forward(Batch.of(batch.x(), shape), Batch.of(residual, shape), Batch.of(y, shape));

            assertThat(y).isEqualTo(frozen).isNotEqualTo(trained);
            float[] alone = new float[residual.length];
            try (BatchNormFunction function = BatchNormFunction.builder(6)
                    .backend(backend)
                    .activation(Activation.relu())
                    .build()) {
                Parameters parameters = Parameters.of(layer.weight(), layer.bias());
                function.inference(
                        Batch.of(batch.x(), shape),
                        Batch.of(residual, shape),
                        Batch.of(alone, shape),
                        parameters,
                        layer.runningMean(),
                        layer.runningVar());
            }
            assertThat(alone).isEqualTo(y);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"vector", "scalar"})
    void aFunctionDoesWhatALayerDoes(String backend) {
        BatchShape shape = BatchShape.of(61, 20);
        Activations both = new Activations(Activation.leakyRelu(0.1), Activation.leakyRelu(0.3));
        Values batch = Values.random(shape, 14);
        float[] residual = residual(shape, 15);
        try (BatchNorm layer = builder(backend, shape, both).build();
                Arena arena = Arena.ofShared();
                BatchNormFunction function = BatchNormFunction.builder(20)
                        .backend(backend)
                        .inputActivation(both.input())
                        .activation(both.output())
                        .build()) {
            for (boolean given : List.of(false, true)) {
                Run expected = Run.of(given ? layer.freezeStatistics() : layer, batch, residual, Place.ARRAYS, arena);
                float[] dgamma = new float[20];
                float[] dbeta = new float[20];
                Parameters parameters = new Parameters(batch.weight(), batch.bias(), dgamma, dbeta);
                SavedStatistics saved = new SavedStatistics(20);
                Batch x = Batch.of(batch.x(), shape);
                Batch r = Batch.of(residual, shape);
                Batch y = Batch.of(new float[residual.length], shape);
                Batch dx = Batch.of(new float[residual.length], shape);
                Batch dresidual = Batch.of(new float[residual.length], shape);
                if (given) {
                    function.inference(x, r, y, parameters, layer.runningMean(), layer.runningVar(), saved);
                } else {
                    function.forward(x, r, y, parameters, saved);
                }
                function.backward(x, y, Batch.of(batch.dy(), shape), dx, dresidual, parameters, saved);

                assertThat(y.array()).isEqualTo(expected.y);
                assertThat(dx.array()).isEqualTo(expected.dx);
                assertThat(dresidual.array()).isEqualTo(expected.dresidual);
                assertThat(dgamma).isEqualTo(layer.weightGradient());
                assertThat(dbeta).isEqualTo(layer.biasGradient());
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"vector", "scalar"})
    void gradientsAreThoseOfFiniteDifferences(String backend) {
        BatchShape shape = BatchShape.of(6, 3);
        // Of these seeds no value lies so near a kink that the differences reach over it.
        Values batch = Values.random(shape, 8);
        float[] residual = residual(shape, 17);
        Activations both = new Activations(Activation.leakyRelu(0.3), Activation.leakyRelu(0.1));
        try (BatchNorm layer = builder(backend, shape, both).build();
                Arena arena = Arena.ofShared()) {
            Run run = Run.of(layer, batch, residual, Place.ARRAYS, arena);
            float step = 0x1p-10f;
            for (int i = 0; i < run.dx.length; i++) {
                float[] more = batch.x().clone();
                float[] less = batch.x().clone();
                more[i] += step;
                less[i] -= step;
                double byX = (loss(layer, batch.withX(more), residual) - loss(layer, batch.withX(less), residual))
                        / (2 * step);
                float[] moreResidual = residual.clone();
                float[] lessResidual = residual.clone();
                moreResidual[i] += step;
                lessResidual[i] -= step;
                double byResidual = (loss(layer, batch, moreResidual) - loss(layer, batch, lessResidual)) / (2 * step);

                assertThat(run.dx[i]).as("dx[%d]", i).isCloseTo((float) byX, offset(2e-3f));
                assertThat(run.dresidual[i]).as("dresidual[%d]", i).isCloseTo((float) byResidual, offset(2e-3f));
            }
        }
    }

    private static double loss(BatchNorm layer, Values batch, float[] residual) {
        BatchShape shape = batch.shape();
        float[] y = new float[residual.length];
        set(layer, batch);
        layer.forward(Batch.of(batch.x(), shape), Batch.of(residual, shape), Batch.of(y, shape));
        double loss = 0;
        for (int i = 0; i < y.length; i++) {
            loss += (double) y[i] * batch.dy()[i];
        }
        return loss;
    }

    /** At 0 the derivative is that of the negative side, as in PyTorch. */
    @ParameterizedTest
    @ValueSource(strings = {"vector", "scalar"})
    void theGradientAtZero(String backend) {
        BatchShape shape = BatchShape.of(32, 3);
        Values batch = Values.random(shape, 18);
        float[] residual = new float[batch.x().length];
        try (BatchNorm plain = builder(backend, shape, Activations.NONE).build()) {
            set(plain, batch);
            plain.forward(batch.x(), residual, shape);
        }
        for (int i = 0; i < residual.length; i++) {
            residual[i] = -residual[i];
        }
        Activations leaky = new Activations(Activation.NONE, Activation.leakyRelu(0.25));
        try (BatchNorm layer = builder(backend, shape, leaky).build();
                Arena arena = Arena.ofShared()) {
            Run run = Run.of(layer, batch, residual, Place.ARRAYS, arena);

            assertThat(run.y).containsOnly(0);
            float[] quarter = batch.dy().clone();
            for (int i = 0; i < quarter.length; i++) {
                quarter[i] *= 0.25f;
            }
            assertThat(run.dresidual).isEqualTo(quarter);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"vector", "scalar"})
    void ghostBatches(String backend) {
        BatchShape shape = BatchShape.of(80, 33);
        Activations relu = new Activations(Activation.NONE, Activation.relu());
        bitsAreThoseOfSeparatePasses(
                builder(backend, shape, relu).ghostBatch(40),
                Values.random(shape, 19),
                residual(shape, 20),
                Mode.TRAINING,
                Place.DRESIDUAL_IN_DY);
    }

    @ParameterizedTest
    @ValueSource(strings = {"vector", "scalar"})
    void synchronizedStatistics(String backend) {
        BatchShape shape = BatchShape.of(50, 7);
        Activations both = new Activations(Activation.leakyRelu(0.2), Activation.relu());
        bitsAreThoseOfSeparatePasses(
                builder(backend, shape, both)
                        .synchronizedBy(InProcessExchange.group(1, Duration.ofSeconds(20))
                                .getFirst()),
                Values.random(shape, 21),
                residual(shape, 22),
                Mode.TRAINING,
                Place.DRESIDUAL_IN_DY);
    }

    /** A batch without values has no residual either. */
    @Test
    void aBatchWithoutValues() {
        BatchShape shape = BatchShape.of(0, 3);
        Batch none = Batch.of(new float[0], shape);
        try (BatchNorm layer =
                BatchNorm.builder(3).activation(Activation.relu()).build()) {
            layer.forward(none, none, none);
            layer.backward(none, none, none, none, none);
            assertThat(layer.weightGradient()).containsOnly(0);
        }
    }

    @Test
    void whatCannotBeDoneIsRefused() {
        BatchShape shape = BatchShape.of(4, 3);
        Batch x = Batch.of(new float[] {1, 2, 3, 4, 5, 7, 1, 2, 0, 0, 1, 1}, shape);
        Batch y = Batch.of(new float[12], shape);
        Batch dy = Batch.of(new float[12], shape);
        Batch dx = Batch.of(new float[12], shape);
        Batch dr = Batch.of(new float[12], shape);
        Batch r = Batch.of(new float[12], shape);
        float[] shared = new float[15];
        Batch shifted = Batch.of(java.lang.foreign.MemorySegment.ofArray(shared).asSlice(8), shape);
        try (BatchNorm layer =
                BatchNorm.builder(3).activation(Activation.relu()).build()) {
            refuses(() -> layer.forward(x, (Batch) null, y), "residual: null given, must be a Batch");
            refuses(
                    () -> layer.forward(x, Batch.of(new float[9], BatchShape.of(3, 3)), y),
                    "residual: shape (3, 3) given, must be that of x, (4, 3)");
            refuses(
                    () -> layer.forward(x, Batch.of(shared, shape), shifted),
                    "y: overlaps residual in 40 of 48 bytes; must be the same memory as residual or have none");
            assertThat(layer.numBatchesTracked()).isZero();
            assertThatThrownBy(() -> layer.backward(x, y, dy, dx, dr))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("no forward is waiting");
            layer.forward(x, y);
            assertThatThrownBy(() -> layer.backward(x, y, dy, dx, dr))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("the forward had no residual; call backward(x, dy, dx)");
            layer.forward(x, r, y);
            assertThatThrownBy(() -> layer.backward(x, dy, dx))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("the forward had a residual")
                    .hasMessageContaining("call backward(x, y, dy, dx, dresidual)");
            refuses(() -> layer.backward(x, null, dy, dx, dr), "y: null given, must be a Batch");
            refuses(() -> layer.backward(x, y, dy, dx, null), "dresidual: null given, must be a Batch");
            refuses(() -> layer.backward(x, y, dy, dx, x), "dresidual: overlaps x in 48 of 48 bytes; must have none");
            refuses(() -> layer.backward(x, y, dy, dx, dx), "dresidual: overlaps dx in 48 of 48 bytes; must have none");
            Batch half = Batch.of(new short[12], ElementType.FLOAT16, x.shape());
            refuses(
                    () -> layer.backward(half, y, dy, dx, half),
                    "dresidual: overlaps x in 24 of 24 bytes; must have none");
            refuses(
                    () -> layer.backward(x, y, Batch.of(shared, shape), dx, shifted),
                    "dresidual: overlaps dy in 40 of 48 bytes; must be the same memory as dy or have none");
            layer.backward(x, y, dy, dx, dr);
        }
        try (BatchNorm layer = BatchNorm.builder(3).build()) {
            layer.forward(x, r, y);
            // dy is the gradient of the residual, too.
            layer.backward(x, dy, dx);
        }
    }

    private static void refuses(org.assertj.core.api.ThrowableAssert.ThrowingCallable call, String message) {
        assertThatThrownBy(call).isInstanceOf(IllegalArgumentException.class).hasMessageContaining(message);
    }

    // ---- one step

    /** What one forward and backward with a residual gave. The gradients of the parameters are the layer's. */
    @SuppressWarnings("ArrayRecordComponent") // a bundle of results, never compared
    private record Run(float[] y, float[] dx, float[] dresidual) {

        static Run of(BatchNorm layer, Values batch, float[] residual, Place place, Arena arena) {
            BatchShape shape = batch.shape();
            boolean segments = place == Place.SEGMENTS || place == Place.DRESIDUAL_IN_DY_SEGMENTS;
            boolean mixed = place == Place.MIXED;
            set(layer, batch);
            layer.zeroGradients();
            Batch x = batch(shape, batch.x(), segments, arena);
            Batch r = batch(shape, residual, segments || mixed, arena);
            float[] empty = new float[residual.length];
            Batch y = place == Place.Y_IN_RESIDUAL
                    ? r
                    : place == Place.Y_IN_X ? x : batch(shape, empty, segments || mixed, arena);
            SavedStatistics saved = new SavedStatistics(shape.c());
            layer.forward(x, r, y, saved);
            float[] ofY = values(y);
            if (place != Place.Y_IN_RESIDUAL) {
                assertThat(values(r)).as("residual, an input").isEqualTo(residual);
            }

            x = place == Place.Y_IN_X ? Batch.of(batch.x().clone(), shape) : x;
            Batch dy = batch(shape, batch.dy(), segments, arena);
            boolean overDy = place == Place.DRESIDUAL_IN_DY || place == Place.DRESIDUAL_IN_DY_SEGMENTS;
            Batch dresidual =
                    overDy ? dy : place == Place.DRESIDUAL_IN_Y ? y : batch(shape, empty, segments || mixed, arena);
            Batch dx = place == Place.Y_IN_RESIDUAL
                    ? y
                    : place == Place.DRESIDUAL_IN_Y
                            ? dy
                            : place == Place.Y_IN_X ? x : batch(shape, empty, segments, arena);
            layer.backward(x, y, dy, dx, dresidual, saved);
            return new Run(ofY, values(dx), values(dresidual));
        }

        private static Batch batch(BatchShape shape, float[] values, boolean inSegment, Arena arena) {
            return inSegment
                    ? Batch.of(arena.allocateFrom(ValueLayout.JAVA_FLOAT, values), shape)
                    : Batch.of(values.clone(), shape);
        }

        private static float[] values(Batch batch) {
            return batch.segment().toArray(ValueLayout.JAVA_FLOAT);
        }
    }

    private static float[] residual(BatchShape shape, long seed) {
        Random random = new Random(seed);
        float[] values = new float[(int) shape.elements()];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }

    private static void set(BatchNorm layer, Values batch) {
        System.arraycopy(batch.weight(), 0, layer.weight(), 0, batch.weight().length);
        System.arraycopy(batch.bias(), 0, layer.bias(), 0, batch.bias().length);
    }

    private static BatchNormBuilder builder(String backend, BatchShape shape, Activations activations) {
        return BatchNorm.builder(shape.c())
                .backend(backend)
                .inputActivation(activations.input())
                .activation(activations.output());
    }
}

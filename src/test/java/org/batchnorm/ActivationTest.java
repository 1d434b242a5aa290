package org.batchnorm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.offset;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;
import java.util.stream.Stream;
import org.batchnorm.conformance.Quantity;
import org.batchnorm.conformance.Reference;
import org.batchnorm.conformance.Rounded;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.Activation;
import org.batchnorm.spi.Activations;
import org.batchnorm.spi.InProcessExchange;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A layer with activations against one without, and the activations outside of it. */
class ActivationTest {
    /** A shape for each way in which the work is cut, and for pieces that are not whole. */
    private static final List<BatchShape> SHAPES = List.of(
            BatchShape.of(32, 128),
            BatchShape.of(61, 200),
            BatchShape.of(40, 2777),
            BatchShape.of(5000, 7),
            BatchShape.of(2, 3),
            BatchShape.channelsFirst(40, 60, 9),
            BatchShape.channelsFirst(11, 3, 2491),
            BatchShape.channelsFirst(3, 5, 196),
            BatchShape.channelsLast(9, 20, 109));

    private static final List<Activations> ACTIVATIONS = List.of(
            new Activations(Activation.NONE, Activation.relu()),
            new Activations(Activation.NONE, Activation.leakyRelu(0.01)),
            new Activations(Activation.leakyRelu(0.1), Activation.NONE),
            new Activations(Activation.relu(), Activation.leakyRelu(0.2)),
            new Activations(Activation.leakyRelu(1.5), Activation.relu()));

    /** Every shape with one of the activations on either backend, in turn. */
    static Stream<Arguments> cases() {
        return cases(1);
    }

    /** With all of them. */
    static Stream<Arguments> everyCase() {
        return cases(ACTIVATIONS.size());
    }

    private static Stream<Arguments> cases(int activationsOfShape) {
        List<Arguments> cases = new ArrayList<>();
        for (String backend : List.of("vector", "scalar")) {
            // Not the same on both.
            int next = backend.equals("vector") ? 0 : 2;
            for (BatchShape shape : SHAPES) {
                for (int i = 0; i < activationsOfShape; i++) {
                    cases.add(Arguments.of(backend, shape, ACTIVATIONS.get(next++ % ACTIVATIONS.size())));
                }
            }
        }
        return cases.stream();
    }

    @Tag("thorough")
    @ParameterizedTest
    @MethodSource("everyCase")
    void everyCombination(String backend, BatchShape shape, Activations activations) {
        training(backend, shape, activations);
        featuresBeyondFloat32(backend, shape, activations);
        frozen(backend, shape, activations);
        theBitsAreThoseOfSeparatePasses(backend, shape, activations);
        anActivationAfterBatchNormChangesNothingBeforeIt(backend, shape, activations);
        segmentsAndPlacesAndThreadsGiveTheSameBits(backend, shape, activations);
    }

    @ParameterizedTest
    @MethodSource("cases")
    void training(String backend, BatchShape shape, Activations activations) {
        trainingIsWithinBar(backend, activations, Values.random(shape, 1));
    }

    /** Features that are mapped in double precision, as float32 does not hold their gamma · rstd. */
    @ParameterizedTest
    @MethodSource("cases")
    void featuresBeyondFloat32(String backend, BatchShape shape, Activations activations) {
        Values batch = Values.random(shape, 8);
        for (int i = 0; i < batch.x().length; i++) {
            int kind = Reference.feature(shape, i) % 3;
            batch.x()[i] *= kind == 0 ? 1e37f : kind == 1 ? 1e-3f : 1;
            batch.dy()[i] *= kind == 0 ? 1e10f : kind == 1 ? 1e-5f : 1;
        }
        for (int c = 0; c < shape.c(); c++) {
            batch.weight()[c] *= c % 3 == 0 ? 1e-38f : c % 3 == 1 ? 2e37f : 1;
        }
        trainingIsWithinBar(backend, activations, batch);
        frozenIsWithinBar(backend, activations, batch);
    }

    private static void trainingIsWithinBar(String backend, Activations activations, Values batch) {
        BatchShape shape = batch.shape();
        Values composed = composed(backend, batch, activations, Mode.TRAINING);
        try (BatchNorm layer = layer(backend, shape, activations)) {
            Step step = Step.run(layer, batch);

            double[] a = Reference.widen(composed.x());
            Reference.Statistics statistics = Reference.statistics(shape, a, LayerCalls.EPS);
            step.isWithinBar(Quantity.MEAN, statistics.mean(), Rounded.mean(shape, statistics.variance()))
                    .isWithinBar(Quantity.RSTD, statistics.rstd());
            isWithinBar(step, batch, composed, activations, statistics.mean(), statistics.rstd(), true);
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void frozen(String backend, BatchShape shape, Activations activations) {
        frozenIsWithinBar(backend, activations, Values.random(shape, 2));
    }

    private static void frozenIsWithinBar(String backend, Activations activations, Values batch) {
        BatchShape shape = batch.shape();
        Values composed = composed(backend, batch, activations, Mode.FROZEN);
        try (BatchNorm layer = layer(backend, shape, activations)) {
            Step step = Step.run(layer.freezeStatistics(), batch);

            double[] rstd = Reference.rstd(Reference.widen(layer.runningVar()), LayerCalls.EPS);
            isWithinBar(step, batch, composed, activations, Reference.widen(layer.runningMean()), rstd, false);
        }
    }

    /** Without fusion there are more passes over memory, but no other bit. */
    @ParameterizedTest
    @MethodSource("cases")
    void theBitsAreThoseOfSeparatePasses(String backend, BatchShape shape, Activations activations) {
        for (Mode mode : List.of(Mode.TRAINING, Mode.FROZEN)) {
            Values batch = Values.random(shape, 7);
            Values composed = composed(backend, batch, activations, mode);
            try (BatchNorm layer = layer(backend, shape, activations);
                    BatchNorm plain = layer(backend, shape, Activations.NONE)) {
                Step step = Step.run(layer.mode(mode), batch);
                Step separate = Step.run(plain.mode(mode), composed);

                float[] dx = separate.get(Quantity.DX).clone();
                for (int i = 0; i < dx.length; i++) {
                    dx[i] = activations.input().gradient(dx[i], batch.x()[i]);
                }
                assertThat(step.get(Quantity.Y)).isEqualTo(applied(activations.output(), separate.get(Quantity.Y)));
                assertThat(step.get(Quantity.DX)).as("%s", mode).isEqualTo(dx);
                assertThat(step.get(Quantity.DWEIGHT)).isEqualTo(separate.get(Quantity.DWEIGHT));
                assertThat(step.get(Quantity.DBIAS)).isEqualTo(separate.get(Quantity.DBIAS));
                assertThat(layer.runningMean()).isEqualTo(plain.runningMean());
                assertThat(layer.runningVar()).isEqualTo(plain.runningVar());
            }
        }
    }

    /** What is reduced does not change, so neither does a bit of what comes before the activation. */
    @ParameterizedTest
    @MethodSource("cases")
    void anActivationAfterBatchNormChangesNothingBeforeIt(String backend, BatchShape shape, Activations activations) {
        Activations after = activations.withInput(Activation.NONE);
        Values batch = Values.random(shape, 3);
        try (BatchNorm layer = layer(backend, shape, after);
                BatchNorm plain = layer(backend, shape, Activations.NONE)) {
            for (Mode mode : Mode.values()) {
                float[] y = y(layer.mode(mode), batch);
                float[] bn = y(plain.mode(mode), batch);

                assertThat(y).as("%s", mode).isEqualTo(applied(after.output(), bn));
            }
            assertThat(layer.runningMean()).isEqualTo(plain.runningMean());
            assertThat(layer.runningVar()).isEqualTo(plain.runningVar());
        }
    }

    @ParameterizedTest
    @MethodSource("cases")
    void segmentsAndPlacesAndThreadsGiveTheSameBits(String backend, BatchShape shape, Activations activations) {
        Values batch = Values.random(shape, 4);
        float[] x = batch.x();
        try (BatchNorm one = layer(backend, shape, activations);
                BatchNorm several =
                        builder(backend, shape, activations).threads(3).build();
                Arena arena = Arena.ofShared()) {
            Step expected = Step.run(one, batch);
            set(several, batch);
            MemorySegment xs = arena.allocateFrom(ValueLayout.JAVA_FLOAT, x);
            MemorySegment out = arena.allocate(shape.bytes(), Float.BYTES);
            MemorySegment dys = arena.allocateFrom(ValueLayout.JAVA_FLOAT, batch.dy());
            several.forward(xs, out, shape);
            assertThat(out.toArray(ValueLayout.JAVA_FLOAT)).isEqualTo(expected.get(Quantity.Y));
            several.backward(xs, dys, dys, shape);
            assertThat(dys.toArray(ValueLayout.JAVA_FLOAT)).isEqualTo(expected.get(Quantity.DX));
            assertThat(several.weightGradient()).isEqualTo(expected.get(Quantity.DWEIGHT));
            assertThat(several.biasGradient()).isEqualTo(expected.get(Quantity.DBIAS));

            float[] inPlace = x.clone();
            several.forward(inPlace, inPlace, shape);
            assertThat(inPlace).isEqualTo(expected.get(Quantity.Y));
            float[] overX = x.clone();
            several.backward(overX, batch.dy(), overX, shape);
            assertThat(overX).isEqualTo(expected.get(Quantity.DX));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"vector", "scalar"})
    void gradientsAreThoseOfFiniteDifferences(String backend) {
        BatchShape shape = BatchShape.of(6, 3);
        // Of this seed no value lies so near a kink that the differences reach over it.
        Values batch = Values.random(shape, 8);
        Activations both = new Activations(Activation.leakyRelu(0.3), Activation.leakyRelu(0.1));
        try (BatchNorm layer = layer(backend, shape, both)) {
            float[] dx = Step.run(layer, batch).get(Quantity.DX);
            float step = 0x1p-10f;
            for (int i = 0; i < dx.length; i++) {
                float[] more = batch.x().clone();
                float[] less = batch.x().clone();
                more[i] += step;
                less[i] -= step;
                double slope = (loss(layer, batch.withX(more)) - loss(layer, batch.withX(less))) / (2 * step);

                assertThat(dx[i]).as("dx[%d]", i).isCloseTo((float) slope, offset(2e-3f));
            }
        }
    }

    /** Infinity and NaN go through as they do in PyTorch. */
    @Test
    void valuesThatAreNotFinite() {
        assertThat(Activation.relu().of(Float.NEGATIVE_INFINITY)).isZero();
        assertThat(Activation.relu().of(Float.NaN)).isNaN();
        assertThat(Activation.leakyRelu(0.5).of(Float.NEGATIVE_INFINITY)).isEqualTo(Float.NEGATIVE_INFINITY);
        assertThat(Activation.relu().derivative(0)).isZero();
        assertThat(Activation.leakyRelu(0.5).derivative(-0f)).isEqualTo(0.5f);
    }

    /** Values so large that their float32 sums overflow are taken again in double precision. */
    @ParameterizedTest
    @ValueSource(strings = {"vector", "scalar"})
    void sumsThatOverflow(String backend) {
        BatchShape shape = BatchShape.of(64, 3);
        Values random = Values.random(shape, 6);
        float[] x = random.x().clone();
        for (int i = 0; i < x.length; i++) {
            x[i] *= 1e25f;
        }
        Values batch = random.withX(x);
        Activations both = new Activations(Activation.leakyRelu(0.1), Activation.relu());
        Values composed = composed(backend, batch, both, Mode.TRAINING);
        try (BatchNorm layer = layer(backend, shape, both)) {
            Step step = Step.run(layer, batch);

            Reference.Statistics statistics =
                    Reference.statistics(shape, Reference.widen(composed.x()), LayerCalls.EPS);
            isWithinBar(step, batch, composed, both, statistics.mean(), statistics.rstd(), true);
        }
    }

    @Test
    void whatCannotBeDoneIsRefused() {
        assertThatThrownBy(() -> Activation.leakyRelu(-1))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("negativeSlope: -1.0 given, must be a finite number, at least 0");
        assertThatThrownBy(() -> BatchNorm.builder(3).activation(null))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("activation: null given");
    }

    /** Each slice as a batch of its own. */
    @ParameterizedTest
    @ValueSource(strings = {"vector", "scalar"})
    void ghostBatches(String backend) {
        BatchShape slice = BatchShape.of(40, 33);
        Activations both = new Activations(Activation.leakyRelu(0.1), Activation.relu());
        Values first = Values.random(slice, 9);
        Values random = Values.random(slice, 10);
        Values second = new Values(slice, random.x(), random.dy(), first.weight(), first.bias());
        float[] x = Arrays.copyOf(first.x(), 2 * first.x().length);
        float[] dy = Arrays.copyOf(first.dy(), x.length);
        System.arraycopy(second.x(), 0, x, first.x().length, first.x().length);
        System.arraycopy(second.dy(), 0, dy, first.x().length, first.x().length);
        Values joined = new Values(BatchShape.of(80, 33), x, dy, first.weight(), first.bias());
        try (BatchNorm layer = layer(backend, slice, both);
                BatchNorm ghost = builder(backend, slice, both).ghostBatch(40).build()) {
            Step whole = Step.run(ghost, joined);
            for (int i = 0; i < 2; i++) {
                Step step = Step.run(layer, i == 0 ? first : second);
                for (Quantity q : List.of(Quantity.Y, Quantity.DX)) {
                    float[] part = Arrays.copyOfRange(whole.get(q), i * 40 * 33, (i + 1) * 40 * 33);
                    assertThat(part).as("%s of slice %d", q, i).isEqualTo(step.get(q));
                }
            }
        }
    }

    /** Statistics and gradients of ranks and of micro-batches are those of input(x). */
    @ParameterizedTest
    @ValueSource(strings = {"vector", "scalar"})
    void microBatchesBehindAnActivation(String backend) {
        BatchShape shape = BatchShape.of(50, 7);
        Activations before = new Activations(Activation.leakyRelu(0.2), Activation.NONE);
        Values batch = Values.random(shape, 11);
        try (BatchNorm layer = layer(backend, shape, before);
                BatchNorm rank = builder(backend, shape, before)
                        .synchronizedBy(InProcessExchange.group(1, Duration.ofSeconds(20))
                                .getFirst())
                        .build()) {
            Step expected = Step.run(layer, batch);
            isClose(Step.run(rank, batch), expected);
            isClose(inHalves(layer, batch), expected);
        }
    }

    /** Of micro-batches whose own means are some deviations apart. */
    @ParameterizedTest
    @ValueSource(strings = {"vector", "scalar"})
    void microBatchesBeforeAnActivationHaveTheBitsOfSeparatePasses(String backend) {
        Activations relu = Activations.NONE.withOutput(Activation.relu());
        Activations both = new Activations(Activation.leakyRelu(0.2), Activation.leakyRelu(0.1));
        for (BatchShape shape :
                List.of(BatchShape.of(50, 7), BatchShape.of(3000, 20), BatchShape.channelsFirst(10, 3, 31, 33))) {
            Values batch = Values.random(shape, 12);
            for (int i = batch.x().length / 2; i < batch.x().length; i++) {
                batch.x()[i] += 5;
            }
            for (Activations activations : List.of(relu, both)) {
                try (BatchNorm layer = layer(backend, shape, activations);
                        BatchNorm plain = layer(backend, shape, Activations.NONE.withInput(activations.input()))) {
                    Step step = inHalves(layer, batch);
                    float[] z = inHalves(plain, batch).get(Quantity.Y);
                    float[] dz = batch.dy().clone();
                    for (int i = 0; i < dz.length; i++) {
                        dz[i] = activations.output().gradient(dz[i], z[i]);
                    }
                    Step separate = inHalves(plain, batch.withDy(dz));
                    assertThat(step.get(Quantity.Y)).isEqualTo(applied(activations.output(), z));
                    for (Quantity q : List.of(Quantity.DX, Quantity.DWEIGHT, Quantity.DBIAS)) {
                        assertThat(step.get(q)).as("%s of %s", q, shape).isEqualTo(separate.get(q));
                    }
                }
            }
        }
    }

    /** A step with two micro-batches. */
    private static Step inHalves(BatchNorm layer, Values batch) {
        BatchShape shape = batch.shape();
        System.arraycopy(batch.weight(), 0, layer.weight(), 0, shape.c());
        System.arraycopy(batch.bias(), 0, layer.bias(), 0, shape.c());
        layer.zeroGradients();
        float[] y = new float[batch.x().length];
        float[] dx = new float[batch.x().length];
        AccumulatedBatches micro = new AccumulatedBatches(layer);
        List<Consumer<Batch[]>> sweeps = List.of(
                b -> micro.collectStatistics(b[0]),
                b -> micro.transform(b[0], b[1]),
                b -> micro.reduceGradients(b[0], b[2]),
                b -> micro.inputGradient(b[0], b[2], b[3]));
        for (int i = 0; i < sweeps.size(); i++) {
            if (i == 1) {
                micro.mergeStatistics();
            } else if (i == 3) {
                micro.mergeGradients();
            }
            for (int half = 0; half < 2; half++) {
                long from = half * shape.n() / 2;
                sweeps.get(i)
                        .accept(Stream.of(batch.x(), y, batch.dy(), dx)
                                .map(values -> Batch.of(values, shape).samples(from, shape.n() / 2))
                                .toArray(Batch[]::new));
            }
        }
        return Step.of(layer, shape, y, dx);
    }

    private static void isClose(Step step, Step expected) {
        for (Quantity q : List.of(Quantity.Y, Quantity.DX, Quantity.DWEIGHT, Quantity.DBIAS)) {
            assertThat(step.get(q)).as("%s", q).containsExactly(expected.get(q), offset(1e-5f));
        }
    }

    // ---- the same without fusion

    /** The batch as batch norm sees it: a = input(x), and dy by the derivative of the output activation. */
    private static Values composed(String backend, Values batch, Activations activations, Mode mode) {
        Values inner = batch.withX(applied(activations.input(), batch.x()));
        try (BatchNorm plain = layer(backend, batch.shape(), Activations.NONE)) {
            float[] z = y(plain.mode(mode), inner);
            float[] dy = batch.dy().clone();
            for (int i = 0; i < dy.length; i++) {
                dy[i] = activations.output().gradient(dy[i], z[i]);
            }
            return inner.withDy(dy);
        }
    }

    private static void isWithinBar(
            Step step,
            Values batch,
            Values composed,
            Activations activations,
            double[] mean,
            double[] rstd,
            boolean throughStatistics) {
        BatchShape shape = batch.shape();
        double[] a = Reference.widen(composed.x());
        double[] dy = Reference.widen(composed.dy());
        double[] gamma = Reference.widen(batch.weight());
        double[] y = Reference.transform(shape, a, gamma, Reference.widen(batch.bias()), mean, rstd);
        Reference.Gradients gradients = Reference.backward(shape, a, dy, gamma, mean, rstd, throughStatistics);
        Reference.Gradients rounded = Rounded.gradients(shape, a, dy, gamma, mean, rstd, throughStatistics);
        // What an activation makes small was rounded when it was not.
        double[] bn = new double[y.length];
        double slope = activations.output().negativeSlope();
        for (int i = 0; i < y.length; i++) {
            bn[i] = Math.abs(y[i]);
            y[i] = y[i] > 0 ? y[i] : slope * y[i];
            double derivative = activations.input().derivative(batch.x()[i]);
            gradients.dx()[i] *= derivative;
            rounded.dx()[i] *= derivative;
        }
        step.isWithinBar(Quantity.Y, y, bn)
                .isWithinBar(Quantity.DX, gradients.dx(), rounded.dx())
                .isWithinBar(Quantity.DWEIGHT, gradients.dgamma(), rounded.dgamma())
                .isWithinBar(Quantity.DBIAS, gradients.dbeta(), rounded.dbeta());
    }

    private static float[] applied(Activation activation, float[] values) {
        float[] results = values.clone();
        for (int i = 0; i < results.length; i++) {
            results[i] = activation.of(results[i]);
        }
        return results;
    }

    private static double loss(BatchNorm layer, Values batch) {
        float[] y = y(layer, batch);
        double loss = 0;
        for (int i = 0; i < y.length; i++) {
            loss += (double) y[i] * batch.dy()[i];
        }
        return loss;
    }

    private static float[] y(BatchNorm layer, Values batch) {
        set(layer, batch);
        float[] y = new float[batch.x().length];
        layer.forward(batch.x(), y, batch.shape());
        return y;
    }

    private static void set(BatchNorm layer, Values batch) {
        System.arraycopy(batch.weight(), 0, layer.weight(), 0, batch.weight().length);
        System.arraycopy(batch.bias(), 0, layer.bias(), 0, batch.bias().length);
    }

    private static BatchNorm layer(String backend, BatchShape shape, Activations activations) {
        return builder(backend, shape, activations).threads(1).build();
    }

    private static BatchNormBuilder builder(String backend, BatchShape shape, Activations activations) {
        return BatchNorm.builder(shape.c())
                .backend(backend)
                .inputActivation(activations.input())
                .activation(activations.output());
    }
}

package org.batchnorm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.offset;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.batchnorm.PaddedSequences.Padding;
import org.batchnorm.conformance.Quantity;
import org.batchnorm.conformance.Reference;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.Activation;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Padded sequences against the double reference on their valid positions, whatever stands in the padding. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
public abstract class PaddedSequencesContractTest {
    private static final int N = 5;
    private static final int C = 3;
    private static final int L = 7;
    private static final int[] LENGTHS = {7, 0, 3, 5, 1};
    private static final int VALID = 16;

    /** The backend's name, which is forced. */
    protected abstract String backend();

    /** The valid positions of a batch as rows of C values, which a layer takes as they are. */
    private static Values valid(boolean channelsLast, Values batch) {
        float[] x = new float[VALID * C];
        float[] dy = new float[VALID * C];
        int row = 0;
        for (int n = 0; n < N; n++) {
            for (int l = 0; l < LENGTHS[n]; l++) {
                for (int c = 0; c < C; c++) {
                    x[row * C + c] = batch.x()[index(channelsLast, n, c, l)];
                    dy[row * C + c] = batch.dy()[index(channelsLast, n, c, l)];
                }
                row++;
            }
        }
        return new Values(BatchShape.of(VALID, C), x, dy, batch.weight(), batch.bias());
    }

    private static int index(boolean channelsLast, int n, int c, int l) {
        return channelsLast ? (n * L + l) * C + c : (n * C + c) * L + l;
    }

    private static BatchShape shape(boolean channelsLast) {
        return channelsLast ? BatchShape.channelsLast(N, C, L) : BatchShape.channelsFirst(N, C, L);
    }

    /** What lies at the valid positions, and in the padding what {@code padding} says. */
    private static float[] padded(boolean channelsLast, float[] rows, float padding) {
        float[] values = new float[N * C * L];
        Arrays.fill(values, padding);
        int row = 0;
        for (int n = 0; n < N; n++) {
            for (int l = 0; l < LENGTHS[n]; l++) {
                for (int c = 0; c < C; c++) {
                    values[index(channelsLast, n, c, l)] = rows[row * C + c];
                }
                row++;
            }
        }
        return values;
    }

    private BatchNorm layer(Values batch) {
        return layer(BatchNorm.builder(C).backend(backend()), batch);
    }

    private static BatchNorm layer(BatchNormBuilder builder, Values batch) {
        BatchNorm layer = builder.build();
        System.arraycopy(batch.weight(), 0, layer.weight(), 0, C);
        System.arraycopy(batch.bias(), 0, layer.bias(), 0, C);
        return layer;
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void onlyValidPositionsCount(boolean channelsLast) {
        BatchShape shape = shape(channelsLast);
        Values random = Values.random(shape, 1);
        Values rows = valid(channelsLast, random);
        // Nothing may come out of the padding.
        Values batch = random.withX(padded(channelsLast, rows.x(), Float.NaN))
                .withDy(padded(channelsLast, rows.dy(), Float.POSITIVE_INFINITY));
        try (BatchNorm layer = layer(batch);
                BatchNorm plain = layer(batch)) {
            PaddedSequences sequences = new PaddedSequences(layer, Padding.ZERO);
            float[] y = new float[batch.x().length];
            float[] dx = new float[y.length];
            Arrays.fill(y, 9);
            Arrays.fill(dx, 9);
            sequences.forward(Batch.of(batch.x(), shape), Batch.of(y, shape), LENGTHS);
            sequences.backward(Batch.of(batch.x(), shape), Batch.of(batch.dy(), shape), Batch.of(dx, shape));

            Step step = Step.of(layer, rows.shape(), rows(channelsLast, y), rows(channelsLast, dx));
            step.isWithinBarOfResults(rows, layer.config());
            Step expected = Step.run(plain, rows);
            assertThat(layer.numBatchesTracked()).isEqualTo(1);
            assertThat(y).isEqualTo(padded(channelsLast, rows(channelsLast, y), 0));
            assertThat(dx).isEqualTo(padded(channelsLast, rows(channelsLast, dx), 0));
            Step.assertWithinBar(
                    Quantity.RUNNING_MEAN, layer.runningMean(), Reference.widen(expected.get(Quantity.RUNNING_MEAN)));
        }
    }

    /** As a layer with the same activations has it of the valid positions alone. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void activationsToo(boolean channelsLast) {
        BatchShape shape = shape(channelsLast);
        Values batch = Values.random(shape, 5);
        Values rows = valid(channelsLast, batch);
        BatchNormBuilder builder = BatchNorm.builder(C)
                .backend(backend())
                .inputActivation(Activation.leakyRelu(0.1))
                .activation(Activation.relu());
        try (BatchNorm layer = layer(builder, batch);
                BatchNorm plain = layer(builder, batch)) {
            PaddedSequences sequences = new PaddedSequences(layer, Padding.ZERO);
            float[] y = new float[batch.x().length];
            float[] dx = new float[y.length];
            sequences.forward(Batch.of(batch.x(), shape), Batch.of(y, shape), LENGTHS);
            sequences.backward(Batch.of(batch.x(), shape), Batch.of(batch.dy(), shape), Batch.of(dx, shape));

            Step step = Step.of(layer, rows.shape(), rows(channelsLast, y), rows(channelsLast, dx));
            Step expected = Step.run(plain, rows);
            for (Quantity quantity : List.of(Quantity.Y, Quantity.DX, Quantity.DWEIGHT, Quantity.DBIAS)) {
                Step.assertWithinBar(quantity, step.get(quantity), Reference.widen(expected.get(quantity)));
            }
        }
    }

    /** As a layer has it of the valid positions alone, whatever stands in the padding; outputs in inputs' places. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void aResidualToo(boolean channelsLast) {
        BatchShape shape = shape(channelsLast);
        Values random = Values.random(shape, 8);
        Values rows = valid(channelsLast, random);
        Values batch = random.withX(padded(channelsLast, rows.x(), Float.NaN))
                .withDy(padded(channelsLast, rows.dy(), Float.POSITIVE_INFINITY));
        float[] residual = rows(channelsLast, Values.random(shape, 9).x());
        BatchNormBuilder builder = BatchNorm.builder(C).backend(backend()).activation(Activation.relu());
        try (BatchNorm layer = layer(builder, batch);
                BatchNorm plain = layer(builder, batch)) {
            Batch y = Batch.of(new float[VALID * C], rows.shape());
            Batch dx = Batch.of(new float[VALID * C], rows.shape());
            Batch dresidual = Batch.of(new float[VALID * C], rows.shape());
            Batch x = Batch.of(rows.x(), rows.shape());
            plain.forward(x, Batch.of(residual, rows.shape()), y);
            plain.backward(x, y, Batch.of(rows.dy(), rows.shape()), dx, dresidual);

            PaddedSequences sequences = new PaddedSequences(layer, Padding.ZERO);
            float[] inY = padded(channelsLast, residual, Float.NaN);
            float[] inDy = batch.dy().clone();
            Batch paddedX = Batch.of(batch.x(), shape);
            sequences.forward(paddedX, Batch.of(inY, shape), Batch.of(inY, shape), LENGTHS);
            assertThat(inY).isEqualTo(padded(channelsLast, rows(channelsLast, inY), 0));
            isClose(rows(channelsLast, inY), y);
            sequences.backward(
                    paddedX, Batch.of(inY, shape), Batch.of(inDy, shape), Batch.of(inY, shape), Batch.of(inDy, shape));
            assertThat(inY).isEqualTo(padded(channelsLast, rows(channelsLast, inY), 0));
            assertThat(inDy).isEqualTo(padded(channelsLast, dresidual.array(), 0));
            isClose(rows(channelsLast, inY), dx);
            isClose(layer.weightGradient(), Batch.of(plain.weightGradient(), BatchShape.of(1, C)));
            isClose(layer.biasGradient(), Batch.of(plain.biasGradient(), BatchShape.of(1, C)));
        }
    }

    @Test
    void aForwardThatIsRefusedLeavesTheOneBeforeIt() {
        BatchShape shape = shape(true);
        Values batch = Values.random(shape, 11);
        int[] one = new int[LENGTHS.length];
        one[0] = 1;
        try (BatchNorm layer = layer(BatchNorm.builder(C).backend(backend()), batch);
                BatchNorm plain = layer(BatchNorm.builder(C).backend(backend()), batch)) {
            Batch x = Batch.of(batch.x(), shape);
            Batch dy = Batch.of(batch.dy(), shape);
            Batch y = Batch.of(new float[batch.x().length], shape);
            Batch expected = Batch.of(new float[batch.x().length], shape);
            PaddedSequences undisturbed = new PaddedSequences(plain, Padding.ZERO);
            undisturbed.forward(x, y, LENGTHS);
            undisturbed.backward(x, dy, expected);

            PaddedSequences sequences = new PaddedSequences(layer, Padding.ZERO);
            Batch dx = Batch.of(new float[batch.x().length], shape);
            sequences.forward(x, y, LENGTHS);
            assertThatThrownBy(() -> sequences.forward(x, y, one)).isInstanceOf(IllegalArgumentException.class);
            sequences.backward(x, dy, dx);
            assertThat(dx.array()).isEqualTo(expected.array());
        }
    }

    private static void isClose(float[] actual, Batch expected) {
        assertThat(actual).containsExactly(expected.array(), offset(1e-5f));
    }

    @Test
    void aResidualIsForForwardAndBackward() {
        BatchShape shape = shape(true);
        Values batch = Values.random(shape, 10);
        try (BatchNorm layer = layer(BatchNorm.builder(C).backend(backend()).activation(Activation.relu()), batch)) {
            PaddedSequences sequences = new PaddedSequences(layer, Padding.ZERO);
            Batch x = Batch.of(batch.x(), shape);
            Batch y = Batch.of(new float[batch.x().length], shape);
            Batch dx = Batch.of(new float[batch.x().length], shape);
            Batch dresidual = Batch.of(new float[batch.x().length], shape);
            assertThatThrownBy(() -> sequences.forward(x, (Batch) null, y, LENGTHS))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("residual: null given");
            sequences.forward(x, y, LENGTHS);
            assertThatThrownBy(() -> sequences.backward(x, y, y, dx, dresidual))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("the forward had no residual");
            sequences.forward(x, x, y, LENGTHS);
            assertThatThrownBy(() -> sequences.backward(x, y, dx))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("the forward had a residual");
            assertThatThrownBy(() -> sequences.backward(x, y, y, dx, x))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("dresidual: overlaps x");
            assertThat(layer.weightGradient()).containsOnly(0);
            sequences.backward(x, y, y, dx, dresidual);
        }
    }

    private static float[] rows(boolean channelsLast, float[] values) {
        Values all = new Values(shape(channelsLast), values, values, new float[C], new float[C]);
        return valid(channelsLast, all).x();
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void paddingStaysAsItIsWhereAsked(boolean channelsLast) {
        BatchShape shape = shape(channelsLast);
        Values batch = Values.random(shape, 2);
        try (BatchNorm layer = layer(batch);
                BatchNorm other = layer(batch)) {
            float[] zeroed = new float[batch.x().length];
            new PaddedSequences(layer, Padding.ZERO)
                    .forward(Batch.of(batch.x(), shape), Batch.of(zeroed, shape), LENGTHS);
            float[] y = new float[zeroed.length];
            Arrays.fill(y, 9);
            new PaddedSequences(other, Padding.UNTOUCHED)
                    .forward(Batch.of(batch.x(), shape), Batch.of(y, shape), LENGTHS);

            assertThat(y).isEqualTo(padded(channelsLast, rows(channelsLast, zeroed), 9));
        }
    }

    /** Segments, in place, and lengths that are all L: the bits of a layer on rows. */
    @Test
    void fullLengthsInPlaceOnSegments() {
        BatchShape shape = shape(true);
        Values batch = Values.random(shape, 3);
        int[] full = new int[N];
        Arrays.fill(full, L);
        try (BatchNorm layer = layer(batch);
                BatchNorm plain = layer(batch);
                Arena arena = Arena.ofConfined()) {
            PaddedSequences sequences = new PaddedSequences(layer, Padding.ZERO);
            Values rows = new Values(BatchShape.of(N * L, C), batch.x(), batch.dy(), batch.weight(), batch.bias());
            Step expected = Step.run(plain, rows);
            MemorySegment memory = arena.allocateFrom(ValueLayout.JAVA_FLOAT, batch.x());
            MemorySegment dy = arena.allocateFrom(ValueLayout.JAVA_FLOAT, batch.dy());
            Batch inPlace = Batch.of(memory, shape);
            sequences.forward(inPlace, inPlace, full);
            assertThat(memory.toArray(ValueLayout.JAVA_FLOAT)).isEqualTo(expected.get(Quantity.Y));

            Batch gradient = Batch.of(dy, shape);
            assertThatThrownBy(() -> sequences.backward(inPlace, gradient, gradient))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("x: the forward ran in place and has overwritten it");
            sequences.backward(Batch.of(batch.x(), shape), gradient, gradient);
            assertThat(dy.toArray(ValueLayout.JAVA_FLOAT)).isEqualTo(expected.get(Quantity.DX));
            assertThat(layer.weightGradient()).isEqualTo(expected.get(Quantity.DWEIGHT));
        }
    }

    /** Shorter sequences in a later batch, and a batch without any. */
    @Test
    void batchesOfOtherLengths() {
        BatchShape shape = shape(true);
        Values batch = Values.random(shape, 4);
        try (BatchNorm layer = layer(batch)) {
            PaddedSequences sequences = new PaddedSequences(layer, Padding.ZERO);
            Batch x = Batch.of(batch.x(), shape);
            float[] values = new float[batch.x().length];
            Batch y = Batch.of(values, shape);
            sequences.forward(x, y, LENGTHS);
            float[] mean = layer.runningMean().clone();
            Arrays.fill(values, 9);
            sequences.forward(x, y, new int[N]);

            assertThat(values).containsOnly(0);
            assertThat(layer.runningMean()).isEqualTo(mean);
            sequences.backward(x, y, y);
            assertThat(layer.weightGradient()).containsOnly(0);
        }
    }

    @Test
    void wrongLengthsAndCallsAreRefusedBeforeAnythingIsChanged() {
        BatchShape shape = shape(true);
        Values batch = Values.random(shape, 5);
        try (BatchNorm layer = layer(batch)) {
            PaddedSequences sequences = new PaddedSequences(layer, Padding.ZERO);
            Batch x = Batch.of(batch.x(), shape);
            float[] values = new float[batch.x().length];
            Arrays.fill(values, 9);
            Batch y = Batch.of(values, shape);
            assertThatThrownBy(() -> sequences.forward(x, y, new int[] {1, 2}))
                    .hasMessageContaining("lengths: int[2] given, must have one length for each of the 5 samples");
            assertThatThrownBy(() -> sequences.forward(x, y, new int[] {1, 8, 1, 1, 1}))
                    .hasMessageContaining("lengths[1]: 8 given, must be 0 to 7");
            assertThatThrownBy(() -> sequences.forward(x, y, new int[] {1, 0, 0, 0, 0}))
                    .hasMessageContaining("expected more than 1 value per feature");
            assertThatThrownBy(() -> sequences.backward(x, y, y))
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("no forward is waiting");
            assertThat(values).containsOnly(9);
            assertThat(layer.numBatchesTracked()).isZero();
        }
    }

    @Test
    void ghostBatchesAreRefused() {
        try (BatchNorm layer = BatchNorm.builder(C).ghostBatch(2).build()) {
            assertThatThrownBy(() -> new PaddedSequences(layer, Padding.ZERO))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("layer: built with ghostBatch");
        }
    }

    /** A sentence's results do not depend on how far its batch is padded. */
    @Test
    void moreOfPaddingChangesNothing() {
        Values batch = Values.random(BatchShape.channelsLast(2, C, 4), 6);
        Random random = new Random(7);
        float[] wide = new float[2 * 9 * C];
        for (int i = 0; i < wide.length; i++) {
            wide[i] = (float) random.nextGaussian();
        }
        System.arraycopy(batch.x(), 0, wide, 0, 4 * C);
        System.arraycopy(batch.x(), 4 * C, wide, 9 * C, 4 * C);
        int[] lengths = {4, 4};
        float[] y = new float[batch.x().length];
        float[] wideY = new float[wide.length];
        try (BatchNorm layer = layer(batch);
                BatchNorm other = layer(batch)) {
            BatchShape longer = BatchShape.channelsLast(2, C, 9);
            new PaddedSequences(layer, Padding.ZERO)
                    .forward(Batch.of(batch.x(), batch.shape()), Batch.of(y, batch.shape()), lengths);
            new PaddedSequences(other, Padding.ZERO).forward(Batch.of(wide, longer), Batch.of(wideY, longer), lengths);

            assertThat(Arrays.copyOf(wideY, 4 * C)).isEqualTo(Arrays.copyOf(y, 4 * C));
            assertThat(layer.runningVar()).isEqualTo(other.runningVar());
        }
    }
}

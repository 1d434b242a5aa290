package org.batchnorm.spi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Isolated;

/** What the CPU does again of operations with a residual, when the device fails. Says so in the log. */
@Isolated
class FallbackOperationsTest {
    private static final BatchShape SHAPE = BatchShape.of(2, 1);
    private static final Normalization NORMALIZATION =
            new Normalization(new float[1], new float[1], 1e-5, new BatchStatistics(1), true);

    private final Batch x = batch();
    private final Batch y = batch();
    private final Batch dy = batch();
    private final Batch dx = batch();
    private final Batch other = batch();

    /** Counts what is asked of it. */
    private static class Operations implements BatchNormOperations {
        private int calls;

        void begin() {
            calls++;
        }

        @Override
        public void collectStatistics(Tensors tensors, Moments moments) {
            begin();
        }

        @Override
        public void transform(Tensors tensors, Normalization normalization) {
            begin();
        }

        @Override
        public void reduceGradients(Tensors tensors, Normalization normalization, GradientSums sums) {
            begin();
        }

        @Override
        public void inputGradient(Tensors tensors, Normalization normalization, GradientSums sums) {
            begin();
        }

        @Override
        public boolean doesActivations() {
            return true;
        }
    }

    private static final class Failing extends Operations {
        @Override
        void begin() {
            throw new BackendUnavailableException("the device is lost");
        }
    }

    private interface Work {
        void on(BatchNormOperations operations, Tensors tensors, Normalization normalization, GradientSums sums);
    }

    private static Batch batch() {
        return Batch.of(new float[2], SHAPE);
    }

    /** Whether the CPU does it; else it is an error. */
    private static boolean isDoneAgain(Work work) {
        Operations cpu = new Operations();
        FallbackOperations auto = new FallbackOperations("failing", new Failing(), "scalar", cpu);
        try (auto) {
            work.on(auto, new Tensors(), NORMALIZATION, new GradientSums(1));
        } catch (BackendUnavailableException e) {
            assertThat(e).hasMessageContaining("in place");
            assertThat(cpu.calls).isZero();
            return false;
        }
        assertThat(cpu.calls).isPositive();
        return true;
    }

    @Test
    void aResidualThatYStandsInIsNotAddedTwice() {
        assertThat(isDoneAgain((o, t, n, s) -> o.transform(t.forward(x, y).withResidual(other, null), n)))
                .isTrue();
        assertThat(isDoneAgain((o, t, n, s) -> o.transform(t.forward(x, y).withResidual(y, null), n)))
                .isFalse();
    }

    @Test
    void aSlopeIsNotAppliedTwice() {
        assertThat(isDoneAgain((o, t, n, s) -> o.reduceGradients(t.reduce(x, y, dy, other), n, s)))
                .isTrue();
        assertThat(isDoneAgain((o, t, n, s) -> o.reduceGradients(t.reduce(x, y, dy, dy), n, s)))
                .isFalse();
        assertThat(isDoneAgain((o, t, n, s) -> o.reduceGradients(t.reduce(x, y, dy, y), n, s)))
                .isFalse();
    }

    @Test
    void aBackwardThatOverwritesAnInputIsNotDoneTwice() {
        assertThat(isDoneAgain((o, t, n, s) -> backward(o, t, n, s, dx, other))).isTrue();
        for (Batch overwritten : new Batch[] {dy, y}) {
            assertThat(isDoneAgain((o, t, n, s) -> backward(o, t, n, s, dx, overwritten)))
                    .isFalse();
            assertThat(isDoneAgain((o, t, n, s) -> backward(o, t, n, s, overwritten, other)))
                    .isFalse();
        }
    }

    private void backward(
            BatchNormOperations operations,
            Tensors tensors,
            Normalization n,
            GradientSums sums,
            Batch gradient,
            Batch dresidual) {
        tensors.backward(x, y, dy, gradient, dresidual);
        operations.backward(tensors, n, sums);
    }

    /** Nothing of the input is lost where dresidual is an input already. */
    @Test
    void theGradientOfTheInputGoesByWhatItOverwrites() {
        assertThat(isDoneAgain(
                        (o, t, n, s) -> o.inputGradient(t.backward(x, dy, dx).withResidual(null, dy), n, s)))
                .isTrue();
        assertThatThrownBy(() -> {
                    FallbackOperations auto =
                            new FallbackOperations("failing", new Failing(), "scalar", new Operations());
                    auto.inputGradient(
                            new Tensors().backward(x, dy, dy).withResidual(null, dy),
                            NORMALIZATION,
                            new GradientSums(1));
                })
                .isInstanceOf(BackendUnavailableException.class);
    }
}

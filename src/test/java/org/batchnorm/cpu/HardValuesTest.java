package org.batchnorm.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.Random;
import org.assertj.core.data.Offset;
import org.batchnorm.BatchNorm;
import org.batchnorm.SavedStatistics;
import org.batchnorm.data.BatchShape;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Values that sampled shifts, float32's range or its 24 bits make hard: results are those of double precision all the
 * same.
 */
class HardValuesTest {
    private static final double ROUNDING = 0x1p-24;
    private static final int MOST_ROUNDINGS = 8;

    /** Nearly the largest of all. */
    private static final float LARGE = 0x1.cp127f;

    /** A variance that eps nearly takes away. */
    private static final float NEGATIVE = (float) -9.9998997e-6;

    // ---- the sampled shift may be an outlier

    /** The sampled rows are exactly the odd ones where stride and phase are those of the samples. */
    @ParameterizedTest
    @CsvSource({"vector, 32, 0", "scalar, 32, 0", "vector, 16, 0", "scalar, 16, 0", "vector, 64, 0", "vector, 7, 3"})
    void outliersAtAnyStrideDoNotSpoilTheStatistics(String backend, int stride, int phase) {
        int n = 512;
        int c = 16;
        float[] x = new float[n * c];
        float[] dy = new float[n * c];
        for (int r = 0; r < n; r++) {
            for (int i = 0; i < c; i++) {
                x[r * c + i] = (float) (1.5 * Math.sin(37 * r + 11 * i) + (r % stride == phase ? 50 : 0));
                dy[r * c + i] = (float) Math.sin(17 * r + 5 * i);
            }
        }
        new Step(backend, n, c, 1e-5, x, dy).isWithinRoundings();
    }

    // ---- dy has a mean, as a loss gives it

    @ParameterizedTest
    @CsvSource({
        "vector, 4096, 0", "vector, 4096, 3", "vector, 4096, 30", "vector, 4096, 1e5", "vector, 300, 3",
                "vector, 60000, 3",
        "scalar, 4096, 0", "scalar, 4096, 3", "scalar, 4096, 30", "scalar, 4096, 1e5", "scalar, 300, 3",
                "scalar, 60000, 3"
    })
    void theGradientOfGammaKeepsItsDigitsWhereDyHasAMean(String backend, int n, double mean) {
        int c = 16;
        Random random = new Random(n);
        float[] x = new float[n * c];
        float[] dy = new float[n * c];
        for (int i = 0; i < x.length; i++) {
            x[i] = (float) random.nextGaussian();
            dy[i] = (float) (mean + random.nextGaussian());
        }
        new Step(backend, n, c, 1e-5, x, dy).gammaIsWithinRoundings();
    }

    /** Where a few samples tell little of the mean of dy, too. */
    @ParameterizedTest
    @CsvSource({
        "vector, 3", "vector, 8", "vector, 16", "vector, 17", "vector, 40", "vector, 100", "vector, 300",
        "scalar, 3", "scalar, 8", "scalar, 16", "scalar, 17", "scalar, 40", "scalar, 100", "scalar, 300"
    })
    void fewRowsKeepTheirDigitsWhateverTheMeanOfDy(String backend, int n) {
        int c = 100;
        Random random = new Random(n);
        for (double mean : new double[] {0, 1, 2, 3, 10, 100, 1e5}) {
            float[] x = new float[n * c];
            float[] dy = new float[n * c];
            for (int i = 0; i < x.length; i++) {
                x[i] = (float) (3 + random.nextGaussian());
                dy[i] = (float) (mean + random.nextGaussian());
            }
            new Step(backend, n, c, 1e-5, x, dy).gammaIsWithinRoundings();
        }
    }

    // ---- nothing overflows where the result does not

    @ParameterizedTest
    @ValueSource(strings = {"vector", "scalar"})
    void productsOfLargeValuesDoNotOverflow(String backend) {
        int n = 60;
        int c = 3;
        Random random = new Random(1);
        float[] x = new float[n * c];
        float[] dy = new float[n * c];
        for (int i = 0; i < x.length; i++) {
            x[i] = (float) (1e20 * random.nextGaussian());
            dy[i] = (float) (1e19 * random.nextGaussian());
        }
        new Step(backend, n, c, 1e-5, x, dy).isWithinRoundings();
    }

    @ParameterizedTest
    @ValueSource(strings = {"vector", "scalar"})
    void valuesFartherApartThanFloatsReachAreNormalized(String backend) {
        float[] x = new float[16];
        Arrays.fill(x, -LARGE);
        x[15] = LARGE;
        try (BatchNorm layer = BatchNorm.builder(1).backend(backend).build()) {
            float[] y = new float[16];
            layer.forward(x, y, BatchShape.of(16, 1));
            assertThat(y[15]).isCloseTo((float) Math.sqrt(15), Offset.offset(1e-5f));
            assertThat(y[0]).isCloseTo((float) (-1 / Math.sqrt(15)), Offset.offset(1e-5f));
        }
    }

    /** The batch's variance is no float32, a tenth of it is. */
    @ParameterizedTest
    @ValueSource(strings = {"vector", "scalar"})
    void theRunningVarianceReachesAsFarAsItsResult(String backend) {
        float[] x = new float[100];
        for (int i = 0; i < x.length; i++) {
            x[i] = i % 2 == 0 ? 2e19f : -2e19f;
        }
        double expected = 0.1 * 100 / 99 * Math.pow(2e19f, 2);
        for (boolean useBatchStatistics : new boolean[] {true, false}) {
            try (BatchNorm layer = BatchNorm.builder(1).backend(backend).build()) {
                layer.useBatchStatistics(useBatchStatistics);
                layer.forward(x, new float[100], BatchShape.of(100, 1));
                assertThat((double) layer.runningVar()[0])
                        .isCloseTo(expected, Offset.offset(expected * MOST_ROUNDINGS * ROUNDING));
            }
        }
    }

    /** An infinity among the values makes the running variance no number, as in PyTorch. */
    @ParameterizedTest
    @ValueSource(strings = {"vector", "scalar"})
    void anInfinityStillSpoilsTheRunningVariance(String backend) {
        try (BatchNorm layer = BatchNorm.builder(1).backend(backend).build()) {
            layer.forward(new float[] {1, Float.POSITIVE_INFINITY, 3}, new float[3], BatchShape.of(3, 1));
            assertThat(layer.runningVar()[0]).isNaN();
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"vector", "scalar"})
    void inferenceReachesAsFarAsItsResult(String backend) {
        try (BatchNorm layer = BatchNorm.builder(1).backend(backend).build()) {
            layer.eval();
            layer.runningMean()[0] = -LARGE;
            layer.runningVar()[0] = 0x1p100f;
            float[] y = new float[1];
            layer.forward(new float[] {LARGE}, y, BatchShape.of(1, 1));
            double expected = 2 * (double) LARGE / 0x1p50;
            assertThat((double) y[0]).isCloseTo(expected, Offset.offset(expected * 1e-6));
        }
    }

    // ---- eps is added in double precision

    @ParameterizedTest
    @ValueSource(strings = {"vector", "scalar"})
    void epsMayBeLessThanFloatsHave(String backend) {
        for (int c : new int[] {1, 40}) {
            try (BatchNorm layer =
                    BatchNorm.builder(c).backend(backend).eps(1e-46).build()) {
                float[] x = new float[4 * c];
                Arrays.fill(x, 3);
                float[] y = new float[4 * c];
                SavedStatistics saved = new SavedStatistics(c);
                layer.forward(x, y, BatchShape.of(4, c), saved);
                assertThat(y).containsOnly(0);
                assertThat(saved.rstd()).containsOnly((float) 1e23);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"vector", "scalar"})
    void epsMayCancelARunningVariance(String backend) {
        try (BatchNorm layer = BatchNorm.builder(1).backend(backend).build()) {
            layer.eval();
            layer.runningVar()[0] = NEGATIVE;
            float[] y = new float[1];
            layer.forward(new float[] {1e-6f}, y, BatchShape.of(1, 1));
            double expected = 1e-6f / Math.sqrt(NEGATIVE + 1e-5);
            assertThat((double) y[0]).isCloseTo(expected, Offset.offset(expected * 1e-6));
        }
    }

    // ---- a feature's bits do not depend on the others

    @ParameterizedTest
    @ValueSource(strings = {"vector", "scalar"})
    void aNanChangesNoBitOfAFeatureWithHugeSquares(String backend) {
        float[] x = new float[24];
        float[] column = {-3e18f, 9e18f, 8e18f};
        for (int r = 0; r < 3; r++) {
            Arrays.fill(x, 8 * r, 8 * r + 8, r);
            x[8 * r] = column[r];
        }
        float[] sound = forward(backend, x, 3, 8);
        x[7] = Float.NaN;
        float[] spoiled = forward(backend, x, 3, 8);
        for (int r = 0; r < 3; r++) {
            assertThat(Arrays.copyOfRange(spoiled, 8 * r, 8 * r + 7))
                    .isEqualTo(Arrays.copyOfRange(sound, 8 * r, 8 * r + 7));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"vector", "scalar"})
    void aNanRunningMeanChangesNoBitOfAFeatureWithALargeOne(String backend) {
        try (BatchNorm layer = BatchNorm.builder(2).backend(backend).build()) {
            layer.eval();
            layer.runningMean()[0] = -LARGE;
            layer.runningVar()[0] = 0x1p100f;
            float[] sound = new float[2];
            layer.forward(new float[] {LARGE, 1}, sound, BatchShape.of(1, 2));
            layer.runningMean()[1] = Float.NaN;
            float[] spoiled = new float[2];
            layer.forward(new float[] {LARGE, 1}, spoiled, BatchShape.of(1, 2));
            assertThat(spoiled).containsExactly(sound[0], Float.NaN);
        }
    }

    private static float[] forward(String backend, float[] x, int n, int c) {
        try (BatchNorm layer = BatchNorm.builder(c).backend(backend).build()) {
            float[] y = new float[x.length];
            layer.forward(x, y, BatchShape.of(n, c));
            return y;
        }
    }

    /** One step of a layer, beside the same in double precision; feature by feature. */
    private static final class Step {
        private final int n;
        private final int c;
        private final double eps;
        private final float[] x;
        private final float[] dy;
        private final float[] y;
        private final float[] dx;
        private final float[] dgamma;

        Step(String backend, int n, int c, double eps, float[] x, float[] dy) {
            this.n = n;
            this.c = c;
            this.eps = eps;
            this.x = x;
            this.dy = dy;
            y = new float[x.length];
            dx = new float[x.length];
            try (BatchNorm layer =
                    BatchNorm.builder(c).backend(backend).eps(eps).build()) {
                layer.forward(x, y, BatchShape.of(n, c));
                layer.backward(x, dy, dx, BatchShape.of(n, c));
                dgamma = layer.weightGradient().clone();
            }
        }

        void isWithinRoundings() {
            gammaIsWithinRoundings();
            for (int i = 0; i < c; i++) {
                double mean = sum(i, x) / n;
                double rstd = rstd(i, mean);
                double dyMean = sum(i, dy) / n;
                double gradient = gradient(i, mean, rstd);
                double worstY = 0;
                double mostY = 0;
                double worstDx = 0;
                double mostDx = 0;
                for (int r = 0; r < n; r++) {
                    double centred = (x[r * c + i] - mean) * rstd;
                    worstY = Math.max(worstY, Math.abs(y[r * c + i] - centred));
                    mostY = Math.max(mostY, Math.abs(centred));
                    double g = rstd * (dy[r * c + i] - dyMean);
                    double expected = g - rstd * centred * gradient / n;
                    worstDx = Math.max(worstDx, Math.abs(dx[r * c + i] - expected));
                    mostDx = Math.max(mostDx, Math.abs(g));
                }
                assertThat(worstY / mostY / ROUNDING).as("y of feature %d", i).isLessThan(MOST_ROUNDINGS);
                assertThat(worstDx / mostDx / ROUNDING)
                        .as("dx of feature %d", i)
                        .isLessThan(MOST_ROUNDINGS);
            }
        }

        void gammaIsWithinRoundings() {
            for (int i = 0; i < c; i++) {
                double mean = sum(i, x) / n;
                double rstd = rstd(i, mean);
                double dyMean = sum(i, dy) / n;
                double squares = 0;
                for (int r = 0; r < n; r++) {
                    double product = (dy[r * c + i] - dyMean) * (x[r * c + i] - mean) * rstd;
                    squares += product * product;
                }
                double expected = gradient(i, mean, rstd);
                double most = Math.max(Math.abs(expected), Math.sqrt(squares));
                assertThat(Math.abs(dgamma[i] - expected) / most / ROUNDING)
                        .as("dgamma of feature %d", i)
                        .isLessThan(MOST_ROUNDINGS);
            }
        }

        private double gradient(int i, double mean, double rstd) {
            double sum = 0;
            for (int r = 0; r < n; r++) {
                sum += dy[r * c + i] * ((x[r * c + i] - mean) * rstd);
            }
            return sum;
        }

        private double rstd(int i, double mean) {
            double sum = 0;
            for (int r = 0; r < n; r++) {
                sum += (x[r * c + i] - mean) * (x[r * c + i] - mean);
            }
            return 1 / Math.sqrt(sum / n + eps);
        }

        private double sum(int i, float[] values) {
            double sum = 0;
            for (int r = 0; r < n; r++) {
                sum += values[r * c + i];
            }
            return sum;
        }
    }
}

package org.batchnorm.bench.experiments.papers;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.Random;
import org.junit.jupiter.api.Test;

class WhiteningTest {
    private static final int N = 12;
    private static final int D = 4;

    @Test
    void theOutputHasTheIdentityAsCovariance() {
        double[][] y = new Whitening(N, D).forward(random(1));

        for (int j = 0; j < D; j++) {
            for (int k = 0; k < D; k++) {
                double covariance = 0;
                for (double[] row : y) {
                    covariance += row[j] * row[k] / N;
                }
                assertThat(covariance).isCloseTo(j == k ? 1 : 0, within(1e-3));
            }
        }
    }

    @Test
    void theGradientIsThatOfDifferences() {
        double[][] x = random(2);
        double[][] dy = random(3);
        Whitening whitening = new Whitening(N, D);
        whitening.forward(x);
        double[][] dx = whitening.backward(dy);

        double step = 1e-5;
        for (int i = 0; i < N; i++) {
            for (int j = 0; j < D; j++) {
                double value = x[i][j];
                x[i][j] = value + step;
                double above = dot(new Whitening(N, D).forward(x), dy);
                x[i][j] = value - step;
                double below = dot(new Whitening(N, D).forward(x), dy);
                x[i][j] = value;
                assertThat(dx[i][j]).isCloseTo((above - below) / (2 * step), within(1e-6));
            }
        }
    }

    @Test
    void countsMoreMultiplicationsThanTheSquareOfTheFeatures() {
        Whitening whitening = new Whitening(N, D);
        whitening.forward(random(1));

        // The covariance's triangle and the solutions, row by row; the factorization besides.
        assertThat(whitening.multiplications()).isEqualTo(2L * N * (D * (D + 1) / 2) + 20);
    }

    private static double[][] random(long seed) {
        Random random = new Random(seed);
        double[][] values = new double[N][D];
        for (double[] row : values) {
            for (int j = 0; j < D; j++) {
                row[j] = random.nextGaussian();
            }
        }
        return values;
    }

    private static double dot(double[][] a, double[][] b) {
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            for (int j = 0; j < a[i].length; j++) {
                sum += a[i][j] * b[i][j];
            }
        }
        return sum;
    }
}

package org.batchnorm.bench.experiments.papers;

import java.util.Arrays;

/**
 * Full whitening of a batch, with the gradient through its mean and covariance: what batch norm stands in for. With Σ
 * the covariance (plus eps on the diagonal) and its Cholesky factor L, {@code y = L⁻¹ (x − mean)} has the identity as
 * covariance. Of all ways to whiten this one needs the fewest operations.
 *
 * <p>{@link #backward} is the reverse mode of that factorization (Murray 2016). It counts its multiplications.
 */
final class Whitening {
    private static final double EPS = 1e-5;

    private final int n;
    private final int d;
    private final double[] mean;
    private final double[][] factor;
    private double[][] output = {};
    private long multiplications;

    /** For batches of n rows of d features. */
    Whitening(int n, int d) {
        this.n = n;
        this.d = d;
        this.mean = new double[d];
        this.factor = new double[d][d];
    }

    /** The multiplications so far. */
    long multiplications() {
        return multiplications;
    }

    /** The whitened rows. */
    double[][] forward(double[][] x) {
        Arrays.fill(mean, 0);
        for (double[] row : x) {
            for (int j = 0; j < d; j++) {
                mean[j] += row[j] / n;
            }
        }
        double[][] centred = new double[n][d];
        for (int i = 0; i < n; i++) {
            for (int j = 0; j < d; j++) {
                centred[i][j] = x[i][j] - mean[j];
            }
        }
        factorize(centred);
        output = new double[n][];
        for (int i = 0; i < n; i++) {
            output[i] = solveLower(centred[i]);
        }
        return output;
    }

    /** The Cholesky factor of the covariance. */
    private void factorize(double[][] centred) {
        for (int j = 0; j < d; j++) {
            for (int k = 0; k <= j; k++) {
                double sum = j == k ? EPS : 0;
                for (double[] row : centred) {
                    sum += row[j] * row[k] / n;
                }
                for (int l = 0; l < k; l++) {
                    sum -= factor[j][l] * factor[k][l];
                }
                factor[j][k] = j == k ? Math.sqrt(sum) : sum / factor[k][k];
                multiplications += n + k + 1;
            }
        }
    }

    /**
     * The gradient with respect to x. The rows reach L with {@code dL = −Σ (L⁻ᵀdy) yᵀ}, its lower triangle. With P = Lᵀ
     * dL, its lower triangle with half the diagonal, {@code dΣ = ½ L⁻ᵀ (P + Pᵀ) L⁻¹}. As x − mean = L y, {@code dx =
     * L⁻ᵀ dy + 1/n · L⁻ᵀ (P + Pᵀ) y}, and then its mean over the batch is subtracted.
     */
    double[][] backward(double[][] dy) {
        double[][] dx = new double[n][];
        double[][] factorGradient = new double[d][d];
        for (int i = 0; i < n; i++) {
            dx[i] = solveUpper(dy[i]);
            for (int j = 0; j < d; j++) {
                for (int k = 0; k <= j; k++) {
                    factorGradient[j][k] -= dx[i][j] * output[i][k];
                }
            }
            multiplications += (long) d * (d + 1) / 2;
        }
        double[][] phi = phi(factorGradient);
        for (int i = 0; i < n; i++) {
            double[] moved = new double[d];
            for (int j = 0; j < d; j++) {
                for (int k = 0; k < d; k++) {
                    moved[j] += (phi[j][k] + phi[k][j]) * output[i][k];
                }
            }
            multiplications += (long) d * d;
            double[] through = solveUpper(moved);
            for (int j = 0; j < d; j++) {
                dx[i][j] += through[j] / n;
            }
        }
        for (int j = 0; j < d; j++) {
            double sum = 0;
            for (double[] row : dx) {
                sum += row[j] / n;
            }
            for (double[] row : dx) {
                row[j] -= sum;
            }
        }
        return dx;
    }

    /** The lower triangle of Lᵀ · dL, its diagonal halved. */
    private double[][] phi(double[][] factorGradient) {
        double[][] phi = new double[d][d];
        for (int j = 0; j < d; j++) {
            for (int k = 0; k <= j; k++) {
                for (int l = j; l < d; l++) {
                    phi[j][k] += factor[l][j] * factorGradient[l][k];
                }
                multiplications += d - j;
            }
            phi[j][j] /= 2;
        }
        return phi;
    }

    /** L⁻¹ v. */
    private double[] solveLower(double[] v) {
        double[] solution = v.clone();
        for (int j = 0; j < d; j++) {
            for (int k = 0; k < j; k++) {
                solution[j] -= factor[j][k] * solution[k];
            }
            solution[j] /= factor[j][j];
        }
        multiplications += (long) d * (d + 1) / 2;
        return solution;
    }

    /** L⁻ᵀ v. */
    private double[] solveUpper(double[] v) {
        double[] solution = v.clone();
        for (int j = d - 1; j >= 0; j--) {
            for (int k = j + 1; k < d; k++) {
                solution[j] -= factor[k][j] * solution[k];
            }
            solution[j] /= factor[j][j];
        }
        multiplications += (long) d * (d + 1) / 2;
        return solution;
    }
}

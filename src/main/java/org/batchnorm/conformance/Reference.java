package org.batchnorm.conformance;

import org.batchnorm.data.BatchShape;
import org.batchnorm.data.Layout;
import org.batchnorm.spi.Activation;
import org.jspecify.annotations.Nullable;

/**
 * Batch normalization in double precision, straight from the formulas of Ioffe &amp; Szegedy 2015, algorithm 1 and
 * section 3. The conventions are PyTorch's. The code is slow, plain and serial. Backends are checked against it; it is
 * no backend itself.
 *
 * <p>A batch has N samples, C features and S spatial positions; m = N·S. Its data are in the order of the shape's
 * layout.
 */
public final class Reference {
    private Reference() {}

    /**
     * The statistics of a batch, (C) each.
     *
     * @param mean the mean
     * @param variance the biased variance, with divisor m
     * @param rstd {@code 1 / sqrt(variance + eps)}
     */
    @SuppressWarnings("ArrayRecordComponent") // a bundle of results, never compared
    public record Statistics(double[] mean, double[] variance, double[] rstd) {}

    /** The gradients of a loss with respect to x, in the batch's shape, and to gamma and beta, (C) each. */
    @SuppressWarnings("ArrayRecordComponent") // a bundle of results, never compared
    public record Gradients(double[] dx, double[] dgamma, double[] dbeta) {}

    /**
     * The mean of each feature, (C): {@code first = Σ x / m}, then {@code first + Σ (x − first) / m}, which takes out
     * again what the first sum lost.
     *
     * @param x {@code shape}
     */
    public static double[] mean(BatchShape shape, double[] x) {
        double[] mean = meanOfDistances(shape, x, new double[shape.c()]);
        double[] lost = meanOfDistances(shape, x, mean);
        for (int c = 0; c < mean.length; c++) {
            mean[c] += Double.isFinite(lost[c]) ? lost[c] : 0;
        }
        return mean;
    }

    private static double[] meanOfDistances(BatchShape shape, double[] x, double[] from) {
        double[] mean = new double[shape.c()];
        for (int i = 0; i < x.length; i++) {
            int c = feature(shape, i);
            mean[c] += x[i] - from[c];
        }
        for (int c = 0; c < mean.length; c++) {
            mean[c] /= shape.valuesPerFeature();
        }
        return mean;
    }

    /**
     * The statistics of a batch: the {@link #mean}, then the squares of the distances from it.
     *
     * @param x {@code shape}
     */
    public static Statistics statistics(BatchShape shape, double[] x, double eps) {
        double m = shape.valuesPerFeature();
        double[] mean = mean(shape, x);
        double[] variance = new double[shape.c()];
        for (int i = 0; i < x.length; i++) {
            int c = feature(shape, i);
            variance[c] += (x[i] - mean[c]) * (x[i] - mean[c]);
        }
        for (int c = 0; c < variance.length; c++) {
            variance[c] /= m;
        }
        return new Statistics(mean, variance, rstd(variance, eps));
    }

    /** {@code 1 / sqrt(variance + eps)}, (C). */
    public static double[] rstd(double[] variance, double eps) {
        double[] rstd = new double[variance.length];
        for (int c = 0; c < rstd.length; c++) {
            rstd[c] = 1 / Math.sqrt(variance[c] + eps);
        }
        return rstd;
    }

    /**
     * The forward with given statistics: {@code y = gamma · (x − mean) · rstd + beta}. In training the statistics are
     * the batch's, in inference the running ones.
     *
     * @param x {@code shape}
     * @param gamma (C); null: ones
     * @param beta (C); null: zeros
     * @param mean (C)
     * @param rstd (C)
     * @return y, {@code shape}
     */
    public static double[] transform(
            BatchShape shape,
            double[] x,
            double @Nullable [] gamma,
            double @Nullable [] beta,
            double[] mean,
            double[] rstd) {
        double[] y = new double[x.length];
        for (int i = 0; i < x.length; i++) {
            int c = feature(shape, i);
            double normalized = (x[i] - mean[c]) * rstd[c];
            y[i] = (gamma == null ? normalized : gamma[c] * normalized) + (beta == null ? 0 : beta[c]);
        }
        return y;
    }

    /**
     * The forward with a residual, {@code y = activation(BN(x) + residual)}.
     *
     * @param bn the {@link #transform}, {@code shape}
     * @param residual {@code shape}
     * @return y, {@code shape}
     */
    public static double[] addResidual(double[] bn, double[] residual, Activation activation) {
        double[] y = new double[bn.length];
        for (int i = 0; i < y.length; i++) {
            double sum = bn[i] + residual[i];
            y[i] = sum > 0 ? sum : activation.negativeSlope() * sum;
        }
        return y;
    }

    /**
     * The gradient by a residual, {@code dresidual = dy · activation′(y)}, with that by BN(x) the same.
     *
     * @param y the output of the forward, {@code shape}
     * @param dy {@code shape}
     * @return dresidual, {@code shape}
     */
    public static double[] residualGradient(double[] y, double[] dy, Activation activation) {
        double[] dresidual = new double[dy.length];
        for (int i = 0; i < dresidual.length; i++) {
            dresidual[i] = y[i] > 0 ? dy[i] : activation.negativeSlope() == 0 ? 0 : activation.negativeSlope() * dy[i];
        }
        return dresidual;
    }

    /**
     * The gradients, with {@code x̂ = (x − mean) · rstd}:
     *
     * <ul>
     *   <li>{@code dbeta = Σ dy} and {@code dgamma = Σ dy · x̂};
     *   <li>{@code dx = gamma · rstd / m · (m · dy − dbeta − x̂ · dgamma)} if the statistics are the batch's;
     *   <li>{@code dx = gamma · rstd · dy} if they are given constants, such as running statistics.
     * </ul>
     *
     * <p>If the statistics are the batch's, Σ x̂ = 0, and a constant taken from every dy changes neither dgamma nor dx.
     * The sums are then of {@code dy − mean(dy)}, which keep their digits where dy has a large mean.
     *
     * @param x {@code shape}
     * @param dy {@code shape}
     * @param gamma (C); null: ones
     * @param mean (C)
     * @param rstd (C)
     * @param throughStatistics whether the statistics are this very batch's, so that gradients flow through them
     */
    public static Gradients backward(
            BatchShape shape,
            double[] x,
            double[] dy,
            double @Nullable [] gamma,
            double[] mean,
            double[] rstd,
            boolean throughStatistics) {
        double m = shape.valuesPerFeature();
        double[] center = throughStatistics ? center(shape, dy) : new double[shape.c()];
        double[] dgamma = new double[shape.c()];
        double[] dbeta = new double[shape.c()];
        double[] rest = new double[shape.c()];
        for (int i = 0; i < x.length; i++) {
            int c = feature(shape, i);
            double g = dy[i] - center[c];
            dbeta[c] += dy[i];
            rest[c] += g;
            dgamma[c] += g * ((x[i] - mean[c]) * rstd[c]);
        }
        double[] dx = new double[x.length];
        for (int i = 0; i < x.length; i++) {
            int c = feature(shape, i);
            double normalized = (x[i] - mean[c]) * rstd[c];
            double toMean = throughStatistics ? (rest[c] + normalized * dgamma[c]) / m : 0;
            dx[i] = (gamma == null ? 1 : gamma[c]) * rstd[c] * (dy[i] - center[c] - toMean);
        }
        return new Gradients(dx, dgamma, dbeta);
    }

    /** What is taken from dy: its mean, or 0 where that is not finite. */
    private static double[] center(BatchShape shape, double[] dy) {
        double[] center = mean(shape, dy);
        for (int c = 0; c < center.length; c++) {
            center[c] = Double.isFinite(center[c]) ? center[c] : 0;
        }
        return center;
    }

    /**
     * The updated running statistics, {@code (1 − momentum) · running + momentum · batch}, (C). The batch's variance
     * must be the {@link #unbiased} one.
     */
    public static double[] updateRunning(double[] running, double[] batch, double momentum) {
        double[] updated = new double[running.length];
        for (int c = 0; c < updated.length; c++) {
            updated[c] = (1 - momentum) * running[c] + momentum * batch[c];
        }
        return updated;
    }

    /** The unbiased variance (divisor m − 1), (C), from the biased one (divisor m). */
    public static double[] unbiased(double[] variance, long m) {
        double[] unbiased = new double[variance.length];
        for (int c = 0; c < unbiased.length; c++) {
            unbiased[c] = variance[c] * m / (m - 1);
        }
        return unbiased;
    }

    /** The float32 values in double precision, without loss. */
    public static double[] widen(float[] values) {
        double[] wide = new double[values.length];
        for (int i = 0; i < wide.length; i++) {
            wide[i] = values[i];
        }
        return wide;
    }

    /** The feature to which the value at {@code index} of the batch belongs. */
    public static int feature(BatchShape shape, long index) {
        long features = shape.c();
        return (int) (shape.layout() == Layout.CHANNELS_LAST ? index % features : index / shape.spatial() % features);
    }
}

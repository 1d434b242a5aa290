package org.batchnorm.cpu;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Random;
import org.batchnorm.conformance.Reference;
import org.batchnorm.conformance.Rounded;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;

/**
 * A batch with everything that the operations take, and the same operations in double precision, straight from their
 * definitions.
 */
final class Problem {
    static final double EPS = 1e-5;

    final BatchShape shape;
    final float[] x;
    final float[] dy;
    final float[] gamma;
    final float[] beta;
    final double[] mean;
    final double[] variance;
    final double[] dgamma;
    final double[] dbeta;

    /** The feature of each value. */
    private final int[] feature;

    Problem(BatchShape shape, double center, double deviation, long seed) {
        this.shape = shape;
        Random random = new Random(seed);
        int size = (int) shape.elements();
        x = new float[size];
        dy = new float[size];
        feature = new int[size];
        for (int i = 0; i < size; i++) {
            x[i] = (float) (center + deviation * random.nextGaussian());
            dy[i] = (float) random.nextGaussian();
            feature[i] = Reference.feature(shape, i);
        }
        gamma = new float[shape.c()];
        beta = new float[shape.c()];
        for (int c = 0; c < shape.c(); c++) {
            gamma[c] = (float) (1 + 0.5 * random.nextGaussian());
            beta[c] = (float) random.nextGaussian();
        }
        mean = new double[shape.c()];
        variance = new double[shape.c()];
        dgamma = new double[shape.c()];
        dbeta = new double[shape.c()];
        solve();
    }

    /** Computes what is expected; to be called again where x or dy was changed. In the order of memory, for speed. */
    void solve() {
        double m = shape.valuesPerFeature();
        for (double[] sums : new double[][] {mean, variance, dgamma, dbeta}) {
            Arrays.fill(sums, 0);
        }
        for (int at = 0; at < x.length; at++) {
            mean[feature[at]] += x[at];
        }
        for (int c = 0; c < mean.length; c++) {
            mean[c] /= m;
        }
        for (int at = 0; at < x.length; at++) {
            double d = x[at] - mean[feature[at]];
            variance[feature[at]] += d * d;
        }
        for (int c = 0; c < variance.length; c++) {
            variance[c] /= m;
        }
        double[] rstd = rstd();
        for (int at = 0; at < x.length; at++) {
            int c = feature[at];
            dbeta[c] += dy[at];
            dgamma[c] += dy[at] * (x[at] - mean[c]) * rstd[c];
        }
    }

    /** The position of value i of feature c. */
    int index(int c, int i) {
        if (shape.featuresContiguous()) {
            return i * shape.c() + c;
        }
        int spatial = (int) shape.spatial();
        return (i / spatial * shape.c() + c) * spatial + i % spatial;
    }

    double rstd(int c) {
        return 1 / Math.sqrt(variance[c] + EPS);
    }

    double[] rstd() {
        double[] rstd = new double[shape.c()];
        for (int c = 0; c < rstd.length; c++) {
            rstd[c] = rstd(c);
        }
        return rstd;
    }

    double[] y() {
        double[] rstd = rstd();
        return forEach((at, c) -> (x[at] - mean[c]) * rstd[c] * gamma[c] + beta[c]);
    }

    double[] y(float[] givenMean, float[] givenVariance) {
        return forEach(
                (at, c) -> (x[at] - (double) givenMean[c]) / Math.sqrt(givenVariance[c] + EPS) * gamma[c] + beta[c]);
    }

    double[] dx() {
        double m = shape.valuesPerFeature();
        double[] rstd = rstd();
        return forEach(
                (at, c) -> gamma[c] * rstd[c] * (dy[at] - dbeta[c] / m - (x[at] - mean[c]) * rstd[c] * dgamma[c] / m));
    }

    double[] dxOfFrozen() {
        double[] rstd = rstd();
        return forEach((at, c) -> gamma[c] * rstd[c] * dy[at]);
    }

    /** What is rounded on the way to dx. */
    double[] roundedDx() {
        double[] wideX = Reference.widen(x);
        double[] wideDy = Reference.widen(dy);
        return Rounded.gradients(shape, wideX, wideDy, Reference.widen(gamma), mean, rstd(), true)
                .dx();
    }

    /** The statistics that a forward operation ought to have left. */
    BatchStatistics statistics() {
        BatchStatistics statistics = new BatchStatistics(shape.c());
        for (int c = 0; c < shape.c(); c++) {
            statistics.mean()[c] = (float) mean[c];
            statistics.meanLow()[c] = (float) (mean[c] - statistics.mean()[c]);
            statistics.variance()[c] = (float) variance[c];
            statistics.rstd()[c] = (float) rstd(c);
        }
        return statistics;
    }

    Batch of(float[] values) {
        return Batch.of(values, shape);
    }

    Batch of(MemorySegment values) {
        return Batch.of(values, shape);
    }

    /** The training forward. */
    void forward(BatchNormOperations operations, Batch from, Batch to, BatchStatistics statistics) {
        operations.forward(new Tensors().forward(from, to), new Normalization(gamma, beta, EPS, statistics, true));
    }

    /** The forward with given statistics. */
    void inference(BatchNormOperations operations, Batch from, Batch to, float[] givenMean, float[] givenVariance) {
        BatchStatistics given = BatchStatistics.over(givenMean, givenVariance);
        operations.transform(new Tensors().forward(from, to), new Normalization(gamma, beta, EPS, given, false));
    }

    /** The backward through the statistics. */
    GradientSums backward(BatchNormOperations operations, Tensors tensors, BatchStatistics statistics) {
        return backward(operations, tensors, statistics, true);
    }

    /** The backward of frozen statistics. */
    GradientSums frozenBackward(BatchNormOperations operations, Tensors tensors, BatchStatistics statistics) {
        return backward(operations, tensors, statistics, false);
    }

    private GradientSums backward(
            BatchNormOperations operations, Tensors tensors, BatchStatistics statistics, boolean through) {
        GradientSums sums = new GradientSums(shape.c());
        operations.backward(tensors, new Normalization(gamma, beta, EPS, statistics, through), sums);
        return sums;
    }

    static float[] round(double[] values) {
        float[] rounded = new float[values.length];
        for (int i = 0; i < values.length; i++) {
            rounded[i] = (float) values[i];
        }
        return rounded;
    }

    private double[] forEach(Formula formula) {
        double[] values = new double[x.length];
        for (int at = 0; at < values.length; at++) {
            values[at] = formula.at(at, feature[at]);
        }
        return values;
    }

    private interface Formula {
        double at(int position, int feature);
    }
}

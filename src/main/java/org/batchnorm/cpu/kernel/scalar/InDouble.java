package org.batchnorm.cpu.kernel.scalar;

import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.Operands;
import org.batchnorm.cpu.kernel.PerFeature;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Moments;

/**
 * Makes the results of one feature anew, straight from its values and in double precision, which finite float32 values
 * do not overflow: for features whose float32 sums are not to be relied on.
 */
public final class InDouble {
    private InDouble() {}

    /** The statistics of a feature, in two passes over its values, and its coefficients of {@code transform}. */
    public static void statistics(BatchShape shape, Operands o, PerFeature f, Coefficients c, int feature) {
        double mean = mean(shape, o, feature);
        double variance = variance(shape, o, feature, mean);
        float high = (float) mean;
        float low = (float) (mean - high);
        f.statistics.mean()[feature] = high;
        f.statistics.meanLow()[feature] = Float.isFinite(low) ? low : 0;
        f.statistics.variance()[feature] = (float) variance;
        f.statistics.rstd()[feature] = (float) (1 / Math.sqrt(variance + f.eps));
        TransformCoefficients.ofBatch(f, c, feature, feature + 1);
    }

    /** The moments of a feature, in two passes over its values. */
    public static void moments(BatchShape shape, Operands o, Moments moments, int feature) {
        double mean = mean(shape, o, feature);
        moments.mean()[feature] = mean;
        moments.m2()[feature] = variance(shape, o, feature, mean) * shape.valuesPerFeature();
    }

    /** The gradients of γ and β of a feature, and its coefficients of {@code inputGradient}. */
    public static void gradients(BatchShape shape, Operands o, PerFeature f, Coefficients c, int feature) {
        GradientSums gradients = f.gradients;
        double mean = mean(f, feature);
        double sum = 0;
        double product = 0;
        double distances = 0;
        for (long i = 0; i < shape.valuesPerFeature(); i++) {
            long at = position(shape, feature, i);
            double dy = gradient(o, f, at, feature);
            sum += dy;
            double d = o.value(at) - mean;
            product += dy * d;
            distances += d;
        }
        boolean ofOutput = !f.statistics.equals(f.ofForward);
        if (ofOutput && f.throughStatistics && f.statistics.count() == f.count) {
            // About the mean of these very values they would add up to 0, had y not been rounded.
            product -= sum * (distances / f.count);
        }
        gradients.dbeta()[feature] = sum;
        gradients.dgamma()[feature] = product * rstd(f, feature);
        ScalarMergeGradients.coefficients(f, c, feature, feature + 1);
    }

    /** {@link Operands#gradient}, also of a feature of which float32 does not hold what makes z. */
    static float gradient(Operands o, PerFeature f, long at, int feature) {
        if (!o.isForwardWide(feature)) {
            return o.gradient(at, feature);
        }
        double d = o.value(at) - mean(f, feature);
        double z = d * (f.gamma[feature] * rstd(f, feature)) + f.beta[feature];
        return o.output.gradient(o.second(at), (float) z);
    }

    /** The mean, of both parts that are kept. */
    static double mean(PerFeature f, int feature) {
        return (double) f.statistics.mean()[feature] + f.statistics.meanLow()[feature];
    }

    /** rstd as it is kept; where float32 does not hold it, made of the variance. */
    static double rstd(PerFeature f, int feature) {
        return rstd(f.statistics, f.eps, feature);
    }

    /** That of statistics; of those of z, in the place of x, it is 1/γ, which float32 holds. */
    static double rstd(BatchStatistics statistics, double eps, int feature) {
        float kept = statistics.rstd()[feature];
        float variance = statistics.variance()[feature];
        boolean holds = Math.abs(kept) >= Float.MIN_NORMAL && Math.abs(kept) <= Float.MAX_VALUE;
        return holds || !Float.isFinite(variance) ? kept : 1 / Math.sqrt(variance + eps);
    }

    private static double mean(BatchShape shape, Operands o, int feature) {
        double sum = 0;
        for (long i = 0; i < shape.valuesPerFeature(); i++) {
            sum += o.value(position(shape, feature, i));
        }
        return sum / shape.valuesPerFeature();
    }

    private static double variance(BatchShape shape, Operands o, int feature, double mean) {
        if (!Double.isFinite(mean)) {
            return Double.NaN;
        }
        double sum = 0;
        for (long i = 0; i < shape.valuesPerFeature(); i++) {
            double d = o.value(position(shape, feature, i)) - mean;
            sum += d * d;
        }
        return sum / shape.valuesPerFeature();
    }

    /** Where value {@code i} of a feature lies. */
    private static long position(BatchShape shape, int feature, long i) {
        if (shape.featuresContiguous()) {
            return i * shape.c() + feature;
        }
        long spatial = shape.spatial();
        return (i / spatial * shape.c() + feature) * spatial + i % spatial;
    }
}

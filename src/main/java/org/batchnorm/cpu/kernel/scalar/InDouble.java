package org.batchnorm.cpu.kernel.scalar;

import org.batchnorm.cpu.kernel.Operands;
import org.batchnorm.cpu.kernel.PerFeature;
import org.batchnorm.spi.BatchStatistics;

/** What belongs to one feature, in double precision. */
public final class InDouble {
    private InDouble() {}

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
    public static double mean(PerFeature f, int feature) {
        return (double) f.statistics.mean()[feature] + f.statistics.meanLow()[feature];
    }

    /** rstd as it is kept; where float32 does not hold it, made of the variance. */
    public static double rstd(PerFeature f, int feature) {
        return rstd(f.statistics, f.eps, feature);
    }

    /** That of statistics; of those of z, in the place of x, it is 1/γ, which float32 holds. */
    static double rstd(BatchStatistics statistics, double eps, int feature) {
        float kept = statistics.rstd()[feature];
        float variance = statistics.variance()[feature];
        boolean holds = Math.abs(kept) >= Float.MIN_NORMAL && Math.abs(kept) <= Float.MAX_VALUE;
        return holds || !Float.isFinite(variance) ? kept : 1 / Math.sqrt(variance + eps);
    }
}

package org.batchnorm.spi;

import java.util.concurrent.atomic.AtomicBoolean;
import org.batchnorm.data.FeatureValues;

/**
 * Something allowed that is probably not meant: said once in the log of {@code org.batchnorm.BatchNorm}, whichever
 * layer is the first to meet it, on the host or on a device.
 */
public final class Remark {
    /** A momentum that may be another library's complement. */
    public static final Remark MOMENTUM = new Remark();

    /** A running variance that is NaN or negative. */
    static final Remark RUNNING_VARIANCE = new Remark();

    /** A batch with NaN or infinity. */
    static final Remark NOT_FINITE = new Remark();

    private static final System.Logger LOG = System.getLogger("org.batchnorm.BatchNorm");

    final AtomicBoolean said = new AtomicBoolean();

    private Remark() {}

    /** Says which feature of a batch has NaN or infinity, if one has: its statistics tell. */
    public static void onNotFinite(BatchStatistics statistics) {
        for (int c = 0; c < statistics.features(); c++) {
            double mean = statistics.mean(c);
            double variance = statistics.variance(c);
            // Finite values may be so far apart that their variance is infinite.
            if (!Double.isFinite(mean) || Double.isNaN(variance)) {
                NOT_FINITE.sayOnce(
                        "forward: feature " + c + " of a batch has NaN or infinity among its values (mean " + mean
                                + ", variance " + variance
                                + "). Running statistics that followed it stay NaN, whatever batches come, until resetRunningStatistics()");
                return;
            }
        }
    }

    /**
     * Says where a variance was given that no data lead to.
     *
     * @param call that gave it
     * @param variance by feature
     * @param remedy how to start again, before "and train for some batches"
     */
    public static void onRunningVariance(String call, float[] variance, String remedy) {
        onRunningVariance(call, FeatureValues.of(variance), remedy);
    }

    /** The same of values of either type. */
    public static void onRunningVariance(String call, FeatureValues variance, String remedy) {
        for (int c = 0; c < variance.features(); c++) {
            if (!(variance.get(c) >= 0)) {
                RUNNING_VARIANCE.sayOnce(call + ": running_var is " + variance.get(c) + " for feature " + c
                        + ", which batches of finite values never lead to; inference divides by sqrt(running_var + eps)."
                        + " If that is not meant, " + remedy + " and train for some batches");
                return;
            }
        }
    }

    /** Says it, unless it was said. */
    public void sayOnce(String message) {
        if (said.compareAndSet(false, true)) {
            LOG.log(System.Logger.Level.WARNING, message);
        }
    }
}

package org.batchnorm;

import java.util.concurrent.atomic.AtomicBoolean;
import org.batchnorm.spi.BatchStatistics;

/** Something allowed that is probably not meant: said once in the log, whichever layer is the first to meet it. */
final class Remark {
    /** A momentum that may be another library's complement. */
    static final Remark MOMENTUM = new Remark();

    /** A running variance that is NaN or negative. */
    static final Remark RUNNING_VARIANCE = new Remark();

    /** A batch with NaN or infinity. */
    static final Remark NOT_FINITE = new Remark();

    private static final System.Logger LOG = System.getLogger(BatchNorm.class.getName());

    final AtomicBoolean said = new AtomicBoolean();

    private Remark() {}

    /** Says which feature of a batch has NaN or infinity, if one has: its statistics tell. */
    static void onNotFinite(BatchStatistics statistics) {
        float[] mean = statistics.mean();
        float[] variance = statistics.variance();
        for (int c = 0; c < mean.length; c++) {
            // Finite values may be so far apart that their variance is infinite.
            if (!Float.isFinite(mean[c]) || Float.isNaN(variance[c])) {
                NOT_FINITE.sayOnce(
                        "forward: feature " + c + " of a batch has NaN or infinity among its values (mean " + mean[c]
                                + ", variance " + variance[c]
                                + "). Running statistics that followed it stay NaN, whatever batches come, until resetRunningStatistics()");
                return;
            }
        }
    }

    void sayOnce(String message) {
        if (said.compareAndSet(false, true)) {
            LOG.log(System.Logger.Level.WARNING, message);
        }
    }
}

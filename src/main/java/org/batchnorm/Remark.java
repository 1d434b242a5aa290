package org.batchnorm;

import java.util.concurrent.atomic.AtomicBoolean;

/** Something allowed that is probably not meant: said once in the log, whichever layer is the first to meet it. */
final class Remark {
    /** A momentum that may be another library's complement. */
    static final Remark MOMENTUM = new Remark();

    /** A running variance that is NaN or negative. */
    static final Remark RUNNING_VARIANCE = new Remark();

    private static final System.Logger LOG = System.getLogger(BatchNorm.class.getName());

    final AtomicBoolean said = new AtomicBoolean();

    private Remark() {}

    void sayOnce(String message) {
        if (said.compareAndSet(false, true)) {
            LOG.log(System.Logger.Level.WARNING, message);
        }
    }
}

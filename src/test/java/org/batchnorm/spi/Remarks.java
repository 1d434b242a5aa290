package org.batchnorm.spi;

/** Lets tests hear again what is said once. */
public final class Remarks {
    private Remarks() {}

    /** Every remark, as if it had not been made. */
    public static void forget() {
        Remark.MOMENTUM.said.set(false);
        Remark.RUNNING_VARIANCE.said.set(false);
        Remark.NOT_FINITE.said.set(false);
    }
}

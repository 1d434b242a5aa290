package org.batchnorm.bench.experiments.train;

import java.util.Locale;

/** Where batch norm stands: before the activation (Ioffe and Szegedy 2015) or after it. */
public enum Placement {
    /** Linear → BatchNorm → activation. */
    BEFORE,
    /** Linear → activation → BatchNorm. */
    AFTER;

    /** As users write it. */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}

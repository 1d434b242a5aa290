package org.batchnorm.float64;

import static org.assertj.core.api.Assertions.assertThat;

import org.jspecify.annotations.Nullable;

/** What one step has come to. */
public final class Outputs {
    /** The output. */
    public double @Nullable [] y;

    /** The gradient of x. */
    public double @Nullable [] dx;

    /** The gradient of the residual. */
    public double @Nullable [] dresidual;

    /** (C). */
    public double @Nullable [] mean;

    /** (C), biased. */
    public double @Nullable [] variance;

    /** (C). */
    public double @Nullable [] rstd;

    /** (C). */
    public double @Nullable [] dgamma;

    /** (C). */
    public double @Nullable [] dbeta;

    /** Holds whatever there is against the exact results. */
    public void isWithinBar(Inputs in) {
        assertThat(new Exact(in).beyondBar(this)).as("beyond the bar").isEmpty();
    }

    void isBitwise(Outputs other) {
        assertThat(y).as("y").isEqualTo(other.y);
        assertThat(dx).as("dx").isEqualTo(other.dx);
        assertThat(dresidual).as("dresidual").isEqualTo(other.dresidual);
        assertThat(mean).as("mean").isEqualTo(other.mean);
        assertThat(variance).as("variance").isEqualTo(other.variance);
        assertThat(rstd).as("rstd").isEqualTo(other.rstd);
        assertThat(dgamma).as("dgamma").isEqualTo(other.dgamma);
        assertThat(dbeta).as("dbeta").isEqualTo(other.dbeta);
    }
}

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
        isBitwise("", other);
    }

    /** The same; {@code where} comes before the quantity that differs. */
    void isBitwise(String where, Outputs other) {
        assertThat(y).as("%sy", where).isEqualTo(other.y);
        assertThat(dx).as("%sdx", where).isEqualTo(other.dx);
        assertThat(dresidual).as("%sdresidual", where).isEqualTo(other.dresidual);
        assertThat(mean).as("%smean", where).isEqualTo(other.mean);
        assertThat(variance).as("%svariance", where).isEqualTo(other.variance);
        assertThat(rstd).as("%srstd", where).isEqualTo(other.rstd);
        assertThat(dgamma).as("%sdgamma", where).isEqualTo(other.dgamma);
        assertThat(dbeta).as("%sdbeta", where).isEqualTo(other.dbeta);
    }
}

package org.batchnorm.float64;

import static org.assertj.core.api.Assertions.assertThat;

import org.jspecify.annotations.Nullable;

/** What one step has come to. */
final class Outputs {
    double @Nullable [] y;
    double @Nullable [] dx;
    double @Nullable [] dresidual;
    double @Nullable [] mean;
    double @Nullable [] variance;
    double @Nullable [] rstd;
    double @Nullable [] dgamma;
    double @Nullable [] dbeta;

    void isWithinBar(Inputs in) {
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

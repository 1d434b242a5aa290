package org.batchnorm.cpu;

/**
 * What the elementwise kernels {@link Transform} and {@link InputGradient} need per column or per channel. The arrays grow as needed and are longer than what is in use.
 */
final class Coefficients {
    /** The mean of x, rounded to float32. */
    float[] centre = {};

    /** The mean of dy, rounded to float32. */
    float[] dyCentre = {};

    /** The factor of x, or of dy in the backward operation: gamma · rstd. */
    float[] scale = {};

    /** The factor of x in the backward operation: −rstd · dgamma / m. */
    float[] slope = {};

    /** What is added: beta, or 0, and what rounding took from the means. */
    float[] offset = {};

    /** Makes room for {@code columns} columns; the contents are lost where that needs new arrays. */
    void reserve(int columns) {
        if (centre.length < columns) {
            centre = new float[columns];
            dyCentre = new float[columns];
            scale = new float[columns];
            slope = new float[columns];
            offset = new float[columns];
        }
    }

    /** Repeats the coefficients of the C features for every column of {@code blocks}. */
    void expand(Blocks blocks) {
        blocks.expand(centre);
        blocks.expand(dyCentre);
        blocks.expand(scale);
        blocks.expand(slope);
        blocks.expand(offset);
    }
}

package org.batchnorm.cpu;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

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

    /** The scale of the C features, gamma · rstd. */
    void scale(float @Nullable [] gamma, float[] rstd, int features) {
        if (gamma == null) {
            System.arraycopy(rstd, 0, scale, 0, features);
        } else {
            multiply(gamma, rstd, scale, features);
        }
    }

    /** The offset of the C features, beta. */
    void offset(float @Nullable [] beta, int features) {
        if (beta == null) {
            Arrays.fill(offset, 0, features, 0);
        } else {
            System.arraycopy(beta, 0, offset, 0, features);
        }
    }

    /** Corrects the offset by what rounding took from the mean. */
    void lower(float[] meanLow, int features) {
        subtractProduct(meanLow, scale, offset, features);
    }

    private static void multiply(float[] a, float[] b, float[] product, int length) {
        for (int c = 0; c < length; c++) {
            product[c] = a[c] * b[c];
        }
    }

    private static void subtractProduct(float[] a, float[] b, float[] from, int length) {
        for (int c = 0; c < length; c++) {
            from[c] -= a[c] * b[c];
        }
    }

    /** Repeats what {@link Transform} needs of the C features for every column of {@code blocks}. */
    void expandForTransform(Blocks blocks) {
        blocks.expand(centre);
        blocks.expand(scale);
        blocks.expand(offset);
    }

    /** Repeats what {@link InputGradient} needs of the C features for every column of {@code blocks}. */
    void expandForInputGradient(Blocks blocks) {
        expandForTransform(blocks);
        blocks.expand(dyCentre);
        blocks.expand(slope);
    }
}

package org.batchnorm.cpu.kernel;

import org.batchnorm.cpu.cut.Columns;

/**
 * The numbers that the loops over the values need for each column or channel. Each array has one meaning. The arrays
 * grow as needed, and may be longer than what is in use.
 */
public final class Coefficients {
    /** What a {@link Reduction} subtracts from x: a value near the mean, or the mean itself, rounded to float32. */
    public float[] shift = {};

    /** What a reduction subtracts from dy: a value near its mean; 0 where the statistics are not the batch's own. */
    public float[] dyShift = {};

    /** How far the samples of which a shift was made lie from the first of them, on average. */
    public float[] spread = {};

    /** What an {@link Elementwise} kernel subtracts from x: the mean, rounded to float32. */
    public float[] centre = {};

    /** What it subtracts from dy: the mean of dy, rounded to float32. */
    public float[] dyCentre = {};

    /** The factor: gamma · rstd. */
    public float[] scale = {};

    /** The factor of x in the gradient: −rstd · dgamma / m. */
    public float[] slope = {};

    /** What is added: beta (0 in the gradient), less what rounding took from the means, scaled. */
    public float[] offset = {};

    /**
     * Whether there may be a {@link Wide} feature; the scale of one is NaN, and its other coefficients mean nothing.
     */
    public boolean haveWide;

    /** Makes room for {@code columns} columns; the contents are lost. */
    public void reserve(int columns) {
        haveWide = false;
        if (shift.length < columns) {
            shift = new float[columns];
            dyShift = new float[columns];
            spread = new float[columns];
            centre = new float[columns];
            dyCentre = new float[columns];
            scale = new float[columns];
            slope = new float[columns];
            offset = new float[columns];
        }
    }

    /** Copies what a reduction and its merge need of the features. */
    public void copyShift(Coefficients other, int features) {
        System.arraycopy(other.shift, 0, shift, 0, features);
        System.arraycopy(other.dyShift, 0, dyShift, 0, features);
        System.arraycopy(other.spread, 0, spread, 0, features);
    }

    /**
     * Repeats what a reduction needs of the C features for every column.
     *
     * @param second whether the kernel has a second input, dy
     */
    public void expandShift(Coefficients ofFeatures, Columns columns, boolean second) {
        columns.expand(ofFeatures.shift, shift);
        if (second) {
            columns.expand(ofFeatures.dyShift, dyShift);
        }
    }

    /**
     * Repeats what an elementwise kernel needs of the C features for every column. Both may be the same object.
     *
     * @param second whether the kernel has a second input, dy
     */
    public void expand(Coefficients ofFeatures, Columns columns, boolean second) {
        columns.expand(ofFeatures.centre, centre);
        columns.expand(ofFeatures.scale, scale);
        columns.expand(ofFeatures.offset, offset);
        haveWide = ofFeatures.haveWide;
        if (second) {
            columns.expand(ofFeatures.dyCentre, dyCentre);
            columns.expand(ofFeatures.slope, slope);
        }
    }
}

package org.batchnorm.cpu.kernel;

/** The part of a {@link Reduction} that takes runs: neighbouring values of one channel. */
public interface RunReduction {
    /**
     * Adds runs, one channel after the other, to float64 sums per channel.
     *
     * @param o the inputs
     * @param runs at most {@link org.batchnorm.cpu.cut.CutPolicy#IMAGES_AT_ONCE} images and
     *     {@link org.batchnorm.cpu.cut.CutPolicy#RUN} values each
     * @param c in: the shifts
     * @param s in and out
     */
    void runs(Operands o, Runs runs, Coefficients c, Sums s);
}

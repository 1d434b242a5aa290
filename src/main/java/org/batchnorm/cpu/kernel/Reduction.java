package org.batchnorm.cpu.kernel;

/**
 * The reduction of batch normalization: per column or per channel, with {@code d = x − shift},
 *
 * <pre>
 *   Σ w   and   Σ w · d        w = d                collectStatistics
 *                              w = dy − dyShift     reduceGradients
 * </pre>
 *
 * The shift lies near the mean, so that what the merges take from the sums does not cancel. dy has a shift of its own,
 * because its mean is not small in real losses: the products would lose the digits that it takes. Which of the two a
 * kernel is, its {@link Kernels} says. Bytes moved: 4 a value and input.
 */
public interface Reduction {

    /**
     * From how many places rows are best read at once; else it is 1.
     *
     * @param cached whether the tensors stay in a core's own caches
     */
    int streams(boolean cached);

    /**
     * A value near the mean of each column of what w is made of: {@link Shift} of a few rows of x, or of dy.
     *
     * @param o the inputs
     * @param rows the sampled rows: {@code apart} is the distance between them
     * @param c out: the shift, or that of dy
     */
    void sample(Operands o, Rows rows, Coefficients c);

    /**
     * Adds rows of a matrix to float32 sums per column; at most {@link org.batchnorm.cpu.cut.CutPolicy#ROWS} rows in
     * all, which keeps those sums accurate.
     *
     * @param o the inputs
     * @param c in: the shifts
     * @param s in and out
     */
    void rows(Operands o, Rows rows, Coefficients c, ColumnSums s);

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

package org.batchnorm.cpu.kernel;

/**
 * The reduction of batch normalization: per column or per channel, with {@code d = x − shift},
 *
 * <pre>
 *   Σ w   and   Σ w · d        w = d                collectStatistics
 *                              w = dy − dyShift     reduceGradients
 * </pre>
 *
 * The shift lies near the mean, so that little cancels when the merges correct the sums for the distance between the
 * two. dy has a shift of its own, because its mean is not small in real losses, and the products would lose the digits
 * that it takes. Which of the two formulas a kernel has, is chosen by {@link Kernels#reduction}. Bytes moved: 4 for
 * each value and input.
 */
public interface Reduction extends RunReduction {

    /**
     * The streams by which rows are best read: places, far apart, from which rows are read at once. 1 where the rows
     * are best read one after another.
     *
     * @param cached whether the tensors stay in a core's own caches
     * @param width the columns
     */
    int streams(boolean cached, int width);

    /**
     * Finds a value near the mean of each column of x, or of dy where there is one: the {@link Shift} of a few rows.
     *
     * @param o the inputs
     * @param rows the sampled rows: {@code apart} is the distance between them
     * @param c out: the shift, or that of dy
     */
    void sample(Operands o, Rows rows, Coefficients c);

    /**
     * Adds rows of a matrix to float32 sums per column. These stay accurate because a caller takes them away after
     * about {@link org.batchnorm.cpu.cut.CutPolicy#ROWS} rows.
     *
     * @param o the inputs
     * @param c in: the shifts
     * @param s in and out
     */
    void rows(Operands o, Rows rows, Coefficients c, ColumnSums s);
}

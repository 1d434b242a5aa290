package org.batchnorm.cpu.kernel;

/**
 * The elementwise map of batch normalization, with {@code d = x − centre}:
 *
 * <pre>
 *   out = t · scale + offset        t = d                                   transform
 *                                   t = (dy − dyCentre) + d · slope         inputGradient
 * </pre>
 *
 * The first is {@code y = gamma · (x − mean) · rstd + beta} with {@code scale = gamma · rstd}. Subtracting first loses
 * nothing where the mean is large; what rounding took from the mean is so small that it may stand in the offset. The
 * second is {@code dx = gamma · rstd · (dy − dbeta/m − x̂ · dgamma/m)} with {@code slope = −rstd · dgamma / m}: the
 * means are subtracted first and the scale comes after, so that the terms cancel no more than they must, and leave
 * float32's range only where dy nearly does.
 *
 * <p>The output may be the same memory as an input. Which of the two formulas a kernel has, is chosen by
 * {@link Kernels#elementwise}. Bytes moved: 4 for each value and tensor.
 */
public interface Elementwise {

    /**
     * Maps rows of a matrix.
     *
     * @param o inputs and output
     * @param c in, per column
     */
    void rows(Operands o, Rows rows, Coefficients c);

    /**
     * Maps runs.
     *
     * @param o inputs and output
     * @param runs of at most {@link org.batchnorm.cpu.cut.CutPolicy#MAPPED_RUN} values each
     * @param c in, per channel
     */
    void runs(Operands o, Runs runs, Coefficients c);
}

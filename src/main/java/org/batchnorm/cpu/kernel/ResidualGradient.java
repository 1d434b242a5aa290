package org.batchnorm.cpu.kernel;

/** The gradient of a residual: {@code dresidual = dy · output′(y)}, whose sign is that of y itself. */
public interface ResidualGradient {
    /**
     * Writes neighbouring values. Each is read once and written once, so that the output may be y or dy.
     *
     * @param o y, dy as the second input, and as the output dresidual
     * @param first the position of the first one
     * @param length how many
     * @param scratch that of the thread
     */
    void write(Operands o, long first, int length, Tile scratch);
}

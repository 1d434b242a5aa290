package org.batchnorm.cpu.kernel;

/**
 * The sums of a reduction per column, in float32: of about {@link org.batchnorm.cpu.cut.CutPolicy#ROWS} rows at most.
 */
public final class ColumnSums {
    /** Values between arrays that different threads write, so that these never share a line of the caches. */
    private static final int APART = 64;

    /** Σ w, indexed by column; d and w are those of {@link Reduction}. */
    public float[] sum = {};

    /** Σ w · d, indexed by column. */
    public float[] product = {};

    /** Makes room for {@code columns} columns; the contents are lost where that needs new arrays. */
    public void reserve(int columns) {
        if (sum.length < columns) {
            sum = new float[columns + APART];
            product = new float[columns + APART];
        }
    }
}

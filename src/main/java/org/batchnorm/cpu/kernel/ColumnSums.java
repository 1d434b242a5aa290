package org.batchnorm.cpu.kernel;

/**
 * The sums of a reduction per column, in float32: of about {@link org.batchnorm.cpu.cut.CutPolicy#ROWS} rows at most.
 */
public final class ColumnSums {
    /** Values between arrays that different threads write, so that these never share a line of the caches. */
    private static final int APART = 64;

    /** Σ w, indexed by column; d and w are those of {@link Reduction}. */
    public float[] sum = {};

    /** What rounding took from {@link #sum}, which may be much larger than the sum of all rows. */
    public float[] sumLow = {};

    /** Σ w · d, indexed by column. */
    public float[] product = {};

    /** Adds to the sum of a column, and keeps what rounding takes. */
    public void add(int column, float more) {
        float old = sum[column];
        sum[column] = old + more;
        sumLow[column] += more - (sum[column] - old);
    }

    /** The same of several columns, in arrays. */
    static void add(float[] more, float[] sum, float[] sumLow, int length) {
        for (int j = 0; j < length; j++) {
            float added = sum[j] + more[j];
            sumLow[j] += more[j] - (added - sum[j]);
            sum[j] = added;
        }
    }

    /** Makes room for {@code columns} columns; the contents are lost where that needs new arrays. */
    public void reserve(int columns) {
        if (sum.length < columns) {
            sum = new float[columns + APART];
            sumLow = new float[columns + APART];
            product = new float[columns + APART];
        }
    }
}

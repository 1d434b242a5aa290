package org.batchnorm.bench.experiments.network;

/**
 * The inner loops of matrix products, as linear combinations of rows. Each row is an array of its own and all arrays of
 * a loop share one index: the just-in-time compiler turns that into vector instructions, and does not where the offsets
 * differ.
 */
final class Rows {
    private Rows() {}

    /** The rows of a matrix of shape (n, width) as arrays of their own. */
    static float[][] of(float[] matrix, int n, int width) {
        float[][] rows = new float[n][width];
        for (int i = 0; i < n; i++) {
            System.arraycopy(matrix, i * width, rows[i], 0, width);
        }
        return rows;
    }

    /** The columns of a matrix of shape (n, width) as arrays of their own. */
    static float[][] transposed(float[] matrix, int n, int width) {
        float[][] columns = new float[width][n];
        for (int i = 0; i < n; i++) {
            for (int j = 0; j < width; j++) {
                columns[j][i] = matrix[i * width + j];
            }
        }
        return columns;
    }

    /** {@code sum += Σ over k of factors[offset + k · stride] · rows[k]}, four rows at a time. */
    static void addCombination(float[] sum, float[] factors, int offset, int stride, float[][] rows) {
        int k = 0;
        int at = offset;
        for (; k + 4 <= rows.length; k += 4, at += 4 * stride) {
            float a = factors[at];
            float b = factors[at + stride];
            float c = factors[at + 2 * stride];
            float d = factors[at + 3 * stride];
            // Most of an image is background, which is 0 and adds nothing.
            if (a != 0 || b != 0 || c != 0 || d != 0) {
                addFour(sum, a, rows[k], b, rows[k + 1], c, rows[k + 2], d, rows[k + 3]);
            }
        }
        for (; k < rows.length; k++, at += stride) {
            addOne(sum, factors[at], rows[k]);
        }
    }

    private static void addFour(
            float[] sum, float a, float[] x, float b, float[] y, float c, float[] z, float d, float[] w) {
        for (int j = 0; j < sum.length; j++) {
            sum[j] += (a * x[j] + b * y[j]) + (c * z[j] + d * w[j]);
        }
    }

    private static void addOne(float[] sum, float a, float[] x) {
        for (int j = 0; j < sum.length; j++) {
            sum[j] += a * x[j];
        }
    }
}

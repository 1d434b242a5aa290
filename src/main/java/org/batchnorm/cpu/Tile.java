package org.batchnorm.cpu;

import java.util.Arrays;

/**
 * Small arrays into which the scalar kernels copy what they work on. The compiler turns a plain loop into vector
 * instructions only where all arrays are indexed alike, and it knows nothing of native memory; a copy that stays in the
 * first-level cache gives it both.
 */
final class Tile {
    /** The values that an array of a tile holds. */
    static final int SIZE = 512;

    /**
     * The length of the arrays: longer, so that each begins where the one before began plus a multiple of 64 bytes
     * (with headers of 16), but not near one of 4 KB. A loop that aligns one of them to the lines of the cache then
     * aligns all.
     */
    private static final int LENGTH = SIZE + 60;

    private static final ThreadLocal<Tile> OF_THREAD = ThreadLocal.withInitial(Tile::new);

    // First, so that nothing lies between the arrays.
    final Coefficients coefficients = new Coefficients();

    final float[] a = new float[LENGTH];
    final float[] b = new float[LENGTH];
    final float[] c = new float[LENGTH];
    final float[] d = new float[LENGTH];
    final float[] shift = new float[LENGTH];
    final float[] sum = new float[LENGTH];
    final float[] product = new float[LENGTH];

    /** Where what {@link VectorMemory#touch} returned is left. */
    int touched;

    private Tile() {
        coefficients.reserve(LENGTH);
    }

    /** Copies the coefficients of the columns that follow {@code from}, for {@code times} rows. */
    void repeat(Coefficients all, int from, int length, int times) {
        repeat(all.centre, from, length, times, coefficients.centre);
        repeat(all.dyCentre, from, length, times, coefficients.dyCentre);
        repeat(all.scale, from, length, times, coefficients.scale);
        repeat(all.slope, from, length, times, coefficients.slope);
        repeat(all.offset, from, length, times, coefficients.offset);
    }

    /**
     * How many rows of a matrix are taken as one piece: more than one where they are short, and all their columns
     * wanted, so that one follows the other.
     */
    static int rowsTogether(long rows, long width, int from, int to) {
        boolean whole = from == 0 && to == width;
        return whole ? (int) Math.clamp(SIZE / width, 1, Math.max(rows, 1)) : 1;
    }

    /** Copies values that follow {@code from} to an array of a tile, {@code times} times one after the other. */
    static void repeat(float[] values, int from, int length, int times, float[] array) {
        System.arraycopy(values, from, array, 0, length);
        for (int k = 1; k < times; k++) {
            System.arraycopy(array, 0, array, k * length, length);
        }
    }

    /**
     * Copies the sums of the columns that follow {@code from} to {@link #sum} and {@link #product}, where each of
     * {@code times} rows adds to its own.
     */
    void beginSums(float[] ofColumns, float[] productOfColumns, int from, int length, int times) {
        System.arraycopy(ofColumns, from, sum, 0, length);
        System.arraycopy(productOfColumns, from, product, 0, length);
        Arrays.fill(sum, length, length * times, 0);
        Arrays.fill(product, length, length * times, 0);
    }

    /** Adds up the sums of the rows, and copies them to those of the columns that follow {@code from}. */
    void endSums(float[] ofColumns, float[] productOfColumns, int from, int length, int times) {
        addUp(sum, ofColumns, from, length, times);
        addUp(product, productOfColumns, from, length, times);
    }

    private void addUp(float[] array, float[] values, int to, int length, int times) {
        for (int k = 1; k < times; k++) {
            System.arraycopy(array, k * length, a, 0, length);
            add(a, array, length);
        }
        System.arraycopy(array, 0, values, to, length);
    }

    private static void add(float[] more, float[] sums, int length) {
        for (int j = 0; j < length; j++) {
            sums[j] += more[j];
        }
    }

    /** The tile of the current thread. */
    static Tile current() {
        return OF_THREAD.get();
    }

    /** The sum of {@code length} values; in four sums, so that none of the additions waits for the one before. */
    static double total(float[] values, int from, int length) {
        double sum0 = 0;
        double sum1 = 0;
        double sum2 = 0;
        double sum3 = 0;
        int j = from;
        int end = from + length;
        for (; j + 3 < end; j += 4) {
            sum0 += values[j];
            sum1 += values[j + 1];
            sum2 += values[j + 2];
            sum3 += values[j + 3];
        }
        for (; j < end; j++) {
            sum0 += values[j];
        }
        return (sum0 + sum1) + (sum2 + sum3);
    }
}

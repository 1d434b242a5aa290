package org.batchnorm.cpu;

/**
 * Small arrays into which the scalar kernels copy what they work on. The compiler turns a plain loop into vector instructions only where all arrays are indexed alike, and it knows nothing of
 * native memory; a copy that stays in the first-level cache gives it both.
 */
final class Tile {
    /** The values that an array of a tile holds. */
    static final int SIZE = 512;

    private static final ThreadLocal<Tile> OF_THREAD = ThreadLocal.withInitial(Tile::new);

    final float[] a = new float[SIZE];
    final float[] b = new float[SIZE];
    final float[] c = new float[SIZE];
    final float[] d = new float[SIZE];
    final float[] shift = new float[SIZE];
    final float[] sum = new float[SIZE];
    final float[] product = new float[SIZE];

    /** Where what {@link VectorMemory#touch} returned is left. */
    int touched;

    final Coefficients coefficients = new Coefficients();

    private Tile() {
        coefficients.reserve(SIZE);
    }

    /** Copies the coefficients of the columns that follow {@code from}. */
    void copy(Coefficients all, int from, int length) {
        System.arraycopy(all.centre, from, coefficients.centre, 0, length);
        System.arraycopy(all.dyCentre, from, coefficients.dyCentre, 0, length);
        System.arraycopy(all.scale, from, coefficients.scale, 0, length);
        System.arraycopy(all.slope, from, coefficients.slope, 0, length);
        System.arraycopy(all.offset, from, coefficients.offset, 0, length);
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

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

    /** The sum of {@code length} values. */
    static double total(float[] values, int from, int length) {
        double even = 0;
        double odd = 0;
        int j = from;
        int end = from + length;
        for (; j + 1 < end; j += 2) {
            even += values[j];
            odd += values[j + 1];
        }
        return j < end ? even + odd + values[j] : even + odd;
    }
}

package org.batchnorm.cpu.kernel;

import java.util.Arrays;
import org.batchnorm.cpu.cut.CutPolicy;
import org.jspecify.annotations.Nullable;

/**
 * Scratch memory of one thread: small arrays into which the scalar kernels copy a piece of the values at a time. The
 * compiler makes vector code of a plain loop only where all arrays are indexed alike and none is native memory. A copy
 * that stays in the first-level cache meets both conditions. The vector kernels leave the lanes of their sums here.
 */
public final class Tile {
    /** The values that an array of a tile holds. */
    public static final int SIZE = 512;

    /**
     * The length of the arrays: longer, so that each begins where the one before began plus a multiple of 64 bytes
     * (with headers of 16), but not near one of 4 KB. A loop that aligns one of them to the lines of the cache then
     * aligns all.
     */
    private static final int LENGTH = SIZE + 60;

    /** Coefficients of the columns of a piece; first, so that nothing lies between the arrays. */
    public final Coefficients coefficients = new Coefficients();

    /** A piece of the first input. */
    public final float[] a = new float[LENGTH];

    /** A piece of a second stream, or input. */
    public final float[] b = new float[LENGTH];

    /** A piece of a third stream. */
    public final float[] c = new float[LENGTH];

    /** A piece of a fourth stream. */
    public final float[] d = new float[LENGTH];

    /** Sums of the piece. */
    public final float[] sum = new float[LENGTH];

    /** Sums of products of the piece. */
    public final float[] product = new float[LENGTH];

    /** Coefficients of the forward, for the sign of its result; reserved where they are needed. */
    public final Coefficients forward = new Coefficients();

    /** Where the samples lie, from the first one. */
    public final long[] positions = new long[CutPolicy.SAMPLES];

    /** What the vector kernels read ahead of their stores: left here, so that the compiler keeps the reading. */
    public int touched;

    private @Nullable Stage stage;

    /** A tile of zeros. */
    public Tile() {
        coefficients.reserve(LENGTH);
    }

    /** Where the thread's pieces stand that are staged. */
    public Stage stage() {
        if (stage == null) {
            stage = new Stage(this);
        }
        return stage;
    }

    /**
     * How many rows of a matrix are taken as one piece: more than one where they are short and all their columns are
     * wanted, so that one follows the other.
     */
    public static int rowsTogether(Rows rows) {
        boolean whole = rows.from == 0 && rows.to == rows.width;
        return whole ? (int) Math.clamp(SIZE / rows.width, 1, Math.max(rows.count, 1)) : 1;
    }

    /** Copies the shifts of the columns that follow {@code from}, for {@code times} rows. */
    public void repeatShift(Coefficients all, int from, int length, int times, boolean second) {
        repeat(all.shift, from, length, times, coefficients.shift);
        if (second) {
            repeat(all.dyShift, from, length, times, coefficients.dyShift);
        }
    }

    /** Copies what an elementwise kernel needs of the columns that follow {@code from}, for {@code times} rows. */
    public void repeat(Coefficients all, int from, int length, int times, boolean second) {
        repeat(all.centre, from, length, times, coefficients.centre);
        repeat(all.scale, from, length, times, coefficients.scale);
        repeat(all.offset, from, length, times, coefficients.offset);
        if (second) {
            repeat(all.dyCentre, from, length, times, coefficients.dyCentre);
            repeat(all.slope, from, length, times, coefficients.slope);
        }
    }

    /** Copies what the forward's map needs of the columns that follow {@code from}, for {@code times} rows. */
    public void repeatForward(Coefficients all, int from, int length, int times) {
        forward.reserve(LENGTH);
        repeat(all.centre, from, length, times, forward.centre);
        repeat(all.scale, from, length, times, forward.scale);
        repeat(all.offset, from, length, times, forward.offset);
    }

    /** The same of one channel, for so many values. */
    public void repeatForward(Coefficients all, int channel, int times) {
        forward.reserve(LENGTH);
        Arrays.fill(forward.centre, 0, times, all.centre[channel]);
        Arrays.fill(forward.scale, 0, times, all.scale[channel]);
        Arrays.fill(forward.offset, 0, times, all.offset[channel]);
    }

    private static void repeat(float[] values, int from, int length, int times, float[] array) {
        System.arraycopy(values, from, array, 0, length);
        for (int k = 1; k < times; k++) {
            System.arraycopy(array, 0, array, k * length, length);
        }
    }

    /** Clears the sums of so many values. */
    public void clearSums(int length) {
        Arrays.fill(sum, 0, length, 0);
        Arrays.fill(product, 0, length, 0);
    }

    /**
     * Adds the sums to those of the columns that follow {@code from}, where each of {@code times} rows has added to its
     * own, and clears them.
     */
    public void addSums(ColumnSums all, int from, int length, int times) {
        addUp(sum, length, times);
        addUp(product, length, times);
        System.arraycopy(all.sum, from, a, 0, length);
        System.arraycopy(all.sumLow, from, b, 0, length);
        System.arraycopy(all.product, from, c, 0, length);
        ColumnSums.add(sum, a, b, length);
        add(product, c, length);
        System.arraycopy(a, 0, all.sum, from, length);
        System.arraycopy(b, 0, all.sumLow, from, length);
        System.arraycopy(c, 0, all.product, from, length);
        clearSums(length * times);
    }

    private void addUp(float[] array, int length, int times) {
        for (int k = 1; k < times; k++) {
            System.arraycopy(array, k * length, a, 0, length);
            add(a, array, length);
        }
    }

    private static void add(float[] more, float[] sums, int length) {
        for (int j = 0; j < length; j++) {
            sums[j] += more[j];
        }
    }

    /** The sum of {@code length} values; in four sums, so that none of the additions waits for the one before. */
    public static double total(float[] values, int from, int length) {
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

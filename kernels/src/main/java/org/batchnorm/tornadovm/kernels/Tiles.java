package org.batchnorm.tornadovm.kernels;

import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/**
 * What all kernels share: where values stand, how rows are divided, how a few values are summed. Compiled into each
 * kernel that calls it. Sums over a work-group are written out in every kernel: TornadoVM 5.2 takes a local array that
 * is handed to another method for an array in global memory, and reads past its end.
 */
public final class Tiles {

    /** Values that a work-item loads before it uses the first: enough to cover the latency of memory. */
    public static final int LOADS = 8;

    /**
     * {@code (v + r · COARSENESS) − r · COARSENESS} rounds v to about r / 16: floats near 2¹⁹ · r are that far apart.
     */
    private static final float COARSENESS = 0x1p19f;

    /** The square of the distance from shift to mean, in variances, from which on float32 sums have lost digits. */
    private static final double FAR = 16;

    /** Mean squares below this have lost bits to float32's underflow. */
    private static final double TINY = 1e-32;

    private Tiles() {}

    /**
     * The address of a value: {@code row · columns + column} where columns are contiguous ({@code spatial = 1}), else,
     * with {@code row = n · spatial + s}, {@code (n · columns + column) · spatial + s}.
     */
    public static int address(int row, int column, long view) {
        int columns = View.columns(view);
        int spatial = View.spatial(view);
        return spatial == 1
                ? row * columns + column
                : row + (row / spatial) * ((columns - 1) * spatial) + column * spatial;
    }

    /**
     * How many rows each work-group takes: all groups but the last few the same number, a multiple of what the group
     * loads at once.
     */
    public static int rowsPerGroup(int rows, long tile) {
        int step = LOADS * Tile.rows(tile);
        int groups = Tile.groups(tile);
        int share = (rows + groups - 1) / groups;
        return (share + step - 1) / step * step;
    }

    /**
     * How many of {@code rows} rows a work-item takes that starts at row {@code first} and goes on in steps of the
     * tile's rows.
     */
    public static int rowsOfWorkItem(int rows, int first, long tile) {
        int tileRows = Tile.rows(tile);
        return TornadoMath.max((rows - first + tileRows - 1) / tileRows, 0);
    }

    /**
     * The value, or 0 where it is infinite or NaN. Asked by an equality, because TornadoVM 5.2 may turn an ordering
     * into its opposite, which is true of NaN as well.
     */
    static float finiteOrZero(float value) {
        return value * 0f == 0f ? value : 0f;
    }

    /** The value, or 0 where it is infinite or NaN. */
    public static double finiteOrZero(double value) {
        return value * 0.0 == 0.0 ? value : 0.0;
    }

    /**
     * What is subtracted from values before they are summed: the middle one of three of them, which is near their mean
     * unless two of the three are outliers. It is rounded to about a sixteenth of the range of the three: less a shift
     * with all its digits, values of one magnitude would all be rounded the same way, and their sum would drift. 0
     * where one is infinite or NaN, or the range is near the limits of float32.
     */
    static float shift(float a, float b, float c) {
        float median = TornadoMath.max(TornadoMath.min(a, b), TornadoMath.min(TornadoMath.max(a, b), c));
        float range = TornadoMath.max(TornadoMath.max(a, b), c) - TornadoMath.min(TornadoMath.min(a, b), c);
        float coarse = range * COARSENESS;
        return finiteOrZero((median + coarse) - coarse);
    }

    /**
     * Negative where float32 sums of {@code d = x − shift} and of d² have lost too many digits: where the shift proves
     * to be far from the mean, more than four deviations, so that the variance cancels, and where squares have
     * overflowed or lost bits. Where all d are 0 they are exact. A number, because TornadoVM 5.2 makes wrong code of
     * comparisons joined by {@code &&} and {@code ||}.
     */
    static double reliability(double sum, double square, int count) {
        double nearness = square * count * FAR - sum * sum * (1 + FAR);
        double reliability = TornadoMath.min(nearness, square - TINY * count);
        double ofFinite = square * 0.0 == 0.0 ? reliability : -1;
        return TornadoMath.abs(sum) + square == 0 ? 0 : ofFinite;
    }

    /** A better shift, by the sums about the present one; the present one where those are infinite or NaN. */
    static float betterShift(float shift, double sum, int count) {
        return shift + finiteOrZero((float) (sum / count));
    }

    /** A sum as a tree of depth three, so that rounding grows with 3, not with 8. */
    static float sum(float a, float b, float c, float d, float e, float f, float g, float h) {
        return ((a + b) + (c + d)) + ((e + f) + (g + h));
    }

    /**
     * Counts one more kernel that ran, {@code samples[1]}. Drivers' errors do not reach the host, which sees by this
     * number whether all was done. One work-item does it, at the kernel's end.
     */
    public static void countRun(KernelContext context, IntArray samples) {
        if (context.globalIdx == 0 && context.globalIdy == 0) {
            samples.set(1, samples.get(1) + 1);
        }
    }
}

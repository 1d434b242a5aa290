package org.batchnorm.cpu.float64;

import java.util.Arrays;
import org.batchnorm.cpu.cut.Columns;
import org.batchnorm.data.Batch;

/**
 * The arrays of a thread for the pieces of values that it has at hand. They are copies, as the compiler makes vector
 * code only of loops over arrays at constant distances.
 */
final class Lanes {
    /** How many pieces loops take at once. */
    static final int PIECES = 2;

    /** The longest piece: few enough values that all arrays together stay in the first-level cache. */
    static final int MOST = 256;

    private static final int ALIGNMENT = 8;

    /** Those that there are. */
    int length;

    /** Pieces of input(x). */
    final double[] x = new double[PIECES * MOST];

    /** Pieces of x in the units of their features, where these have any. */
    private final double[] inUnits = new double[PIECES * MOST];

    /** Pieces of dy, and then of dx. */
    final double[] dy = new double[PIECES * MOST];

    /** Pieces of another tensor. */
    final double[] other = new double[PIECES * MOST];

    /** Sums: the larger part. */
    final double[] high = new double[MOST];

    /** Sums: what rounding took from that. */
    final double[] low = new double[MOST];

    /** Those of the lanes. */
    final Coefficients of = new Coefficients();

    /** A number that is wanted for a moment. */
    final Pair pair = new Pair();

    private final int[] feature = new int[MOST];
    private boolean ofOneFeature;
    private boolean ofNeighbours;
    private boolean hasUnits;

    private final long[] position = new long[PIECES];
    private final int[] lengths = new int[PIECES];
    private int pieces;

    Lanes() {
        of.reserve(MOST);
    }

    /** Takes some columns of a matrix. */
    void columns(Columns columns, int first, int count) {
        pieces = 0;
        length = count;
        ofOneFeature = false;
        int next = columns.feature(first);
        int repeated = first % columns.repeat;
        ofNeighbours = columns.repeat == 1 && next + count <= columns.features;
        for (int j = 0; j < count; j++) {
            feature[j] = next;
            repeated++;
            if (repeated == columns.repeat) {
                repeated = 0;
                next = next + 1 == columns.features ? 0 : next + 1;
            }
        }
    }

    /** Takes neighbouring positions of one channel: as many as make pieces of about the same length. */
    void channel(int channel, long positions) {
        pieces = 0;
        long pieceCount = Math.max(Math.ceilDiv(positions, MOST), 1);
        length = (int) Math.min(positions, Math.ceilDiv(positions, pieceCount * ALIGNMENT) * ALIGNMENT);
        ofOneFeature = true;
        ofNeighbours = false;
        Arrays.fill(feature, 0, length, channel);
    }

    int feature(int lane) {
        return feature[lane];
    }

    boolean areOfOneFeature() {
        return ofOneFeature;
    }

    /** Copies what belongs to the features of the lanes. */
    void load(double[] ofFeatures, double[] into) {
        if (ofNeighbours) {
            System.arraycopy(ofFeatures, feature[0], into, 0, length);
        } else if (ofOneFeature) {
            Arrays.fill(into, 0, length, ofFeatures[feature[0]]);
        } else {
            for (int j = 0; j < length; j++) {
                into[j] = ofFeatures[feature[j]];
            }
        }
    }

    /** Copies the units, and sees whether there are any. */
    void loadUnits(double[] ofFeatures) {
        load(ofFeatures, of.unit);
        hasUnits = false;
        for (int j = 0; j < length; j++) {
            hasUnits |= of.unit[j] != 1;
        }
    }

    void clearSums() {
        Arrays.fill(high, 0);
        Arrays.fill(low, 0);
    }

    // ---- pieces

    /** Takes one more piece; returns whether it was the last one that there is room for. */
    boolean add(long at, int count) {
        position[pieces] = at;
        lengths[pieces] = count;
        pieces++;
        return pieces == PIECES;
    }

    boolean areEmpty() {
        return pieces == 0;
    }

    /** Forgets the pieces. */
    void drop() {
        pieces = 0;
    }

    /** The end of the last piece in the arrays. */
    int end() {
        return (pieces - 1) * MOST + length;
    }

    void read(Batch from, double[] into) {
        for (int p = 0; p < pieces; p++) {
            from.copyTo(position[p], into, p * MOST, lengths[p]);
        }
    }

    void write(double[] values, Batch to) {
        for (int p = 0; p < pieces; p++) {
            to.copyFrom(values, p * MOST, position[p], lengths[p]);
        }
    }

    /** Sets what the pieces leave of an array to values of the lanes. */
    void fill(double[] values, double[] ofLanes) {
        for (int p = 0; p < PIECES; p++) {
            int from = p < pieces ? lengths[p] : 0;
            if (from < length) {
                System.arraycopy(ofLanes, from, values, p * MOST + from, length - from);
            }
        }
    }

    /** {@link #x} in units: a power of two rounds nothing, but may make 0 of a small value. */
    double[] inUnits() {
        if (!hasUnits) {
            return x;
        }
        Loops.multiply(x, of.unit, inUnits, length);
        return inUnits;
    }

    /** Adds up all lanes into the first one, in pairs. */
    void addUp() {
        for (int half = MOST / 2; half > 0; half /= 2) {
            for (int j = 0; j < half; j++) {
                Pair.add(high, low, j, high[j + half], low[j + half]);
            }
        }
    }
}

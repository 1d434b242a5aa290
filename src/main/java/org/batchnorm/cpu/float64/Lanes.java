package org.batchnorm.cpu.float64;

import java.util.Arrays;
import org.batchnorm.cpu.cut.Columns;

/** The arrays of a thread for the pieces of values that it has at hand. */
final class Lanes {
    /** The longest piece: few enough that all arrays together stay in the first-level cache. */
    static final int MOST = 256;

    /** Those that there are. */
    int length;

    /** A piece of input(x). */
    final double[] x = new double[MOST];

    /** A piece of dy, and then of dx. */
    final double[] dy = new double[MOST];

    /** A piece of another tensor. */
    final double[] other = new double[MOST];

    /** The distances of x from the mean, and then y. */
    final double[] distance = new double[MOST];

    /** Sums: the larger part. */
    final double[] high = new double[MOST];

    /** Sums: what rounding took from that. */
    final double[] low = new double[MOST];

    /** Those of the lanes. */
    final Coefficients of = new Coefficients();

    private final int[] feature = new int[MOST];
    private boolean ofOneFeature;
    private boolean ofNeighbours;

    Lanes() {
        of.reserve(MOST);
    }

    /** Takes some columns of a matrix. */
    void columns(Columns columns, int first, int count) {
        length = count;
        ofOneFeature = false;
        int firstFeature = first / columns.repeat % columns.features;
        ofNeighbours = columns.repeat == 1 && firstFeature + count <= columns.features;
        for (int j = 0; j < count; j++) {
            feature[j] = (first + j) / columns.repeat % columns.features;
        }
    }

    /** Takes neighbouring positions of one channel. */
    void channel(int channel, int count) {
        length = count;
        ofOneFeature = true;
        ofNeighbours = false;
        Arrays.fill(feature, 0, count, channel);
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

    void clearSums() {
        Arrays.fill(high, 0);
        Arrays.fill(low, 0);
    }

    /** Adds up all lanes into the first one, in pairs. */
    void addUp() {
        for (int half = MOST / 2; half > 0; half /= 2) {
            addHalf(half);
        }
    }

    private void addHalf(int half) {
        for (int j = 0; j < half; j++) {
            double value = high[j + half];
            double sum = high[j] + value;
            double added = sum - high[j];
            low[j] += ((high[j] - (sum - added)) + (value - added)) + low[j + half];
            high[j] = sum;
        }
    }
}

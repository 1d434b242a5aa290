package org.batchnorm.cpu.cut;

import java.util.Arrays;

/**
 * The columns of a matrix, and to which feature each belongs. A row of the matrix is one or several rows of the data:
 *
 * <ul>
 *   <li>A row of the data has C columns, or C·S of them where channels-first data with few positions are seen as rows:
 *       then {@code repeat} = S neighbouring columns belong to one feature.
 *   <li>Short rows are <b>folded</b>: {@code fold} of them, one behind the other, count as one row of the matrix.
 * </ul>
 *
 * So {@code feature = column / repeat mod C}.
 */
public final class Columns {
    /** C. */
    public final int features;

    /** Neighbouring columns that belong to the same feature. */
    public final int repeat;

    /** Rows of the data that count as one row of the matrix. */
    public final int fold;

    /** Columns of the matrix. */
    public final int width;

    Columns(int features, int repeat, int fold) {
        this.features = features;
        this.repeat = repeat;
        this.fold = fold;
        this.width = features * repeat * fold;
    }

    /** The feature of a column. */
    public int feature(int column) {
        int ofRow = repeat == 1 ? column : column / repeat;
        return ofRow < features ? ofRow : ofRow % features;
    }

    /** The first column of a feature. */
    public int first(int feature) {
        return feature * repeat;
    }

    /**
     * The end of the columns of the features before {@code feature}. Where rows are folded, it is the end of all: their
     * features must then be taken all together, which {@link CutPolicy} sees to.
     */
    public int end(int feature) {
        return fold > 1 ? width : feature * repeat;
    }

    /** The columns of one row of the data. */
    public int ofDataRow() {
        return features * repeat;
    }

    /** Whether a feature has more than one column. */
    public boolean isExpanded() {
        return width > features;
    }

    /** Repeats the values of the C features for every column; both may be the same array. */
    public void expand(float[] ofFeatures, float[] ofColumns) {
        if (repeat > 1) {
            for (int c = features - 1; c >= 0; c--) {
                Arrays.fill(ofColumns, c * repeat, (c + 1) * repeat, ofFeatures[c]);
            }
        } else {
            System.arraycopy(ofFeatures, 0, ofColumns, 0, features);
        }
        int base = ofDataRow();
        for (int k = 1; k < fold; k++) {
            System.arraycopy(ofColumns, 0, ofColumns, k * base, base);
        }
    }

    /**
     * Adds the sums of the columns {@code from} to {@code to} to those of their features.
     *
     * @param scratch room for C values where rows are folded, which are then fewer than a tile holds
     */
    public void addUp(float[] ofColumns, int from, int to, double[] sums, float[] scratch) {
        if (repeat > 1) {
            for (int j = from; j < to; j += repeat) {
                double sum = 0;
                for (int s = 0; s < repeat; s++) {
                    sum += ofColumns[j + s];
                }
                sums[feature(j)] += sum;
            }
            return;
        }
        add(ofColumns, sums, from, Math.min(features, to));
        for (int start = features; start < to; start += features) {
            // A copy that is indexed as the sums are lets the compiler make vector code of the loop.
            System.arraycopy(ofColumns, start, scratch, 0, features);
            add(scratch, sums, 0, features);
        }
    }

    private static void add(float[] columns, double[] sums, int from, int to) {
        for (int j = from; j < to; j++) {
            sums[j] += columns[j];
        }
    }
}

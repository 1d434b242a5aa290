package org.batchnorm.cpu;

import java.util.Arrays;

/**
 * The sums of one quantity while the blocks are reduced. Blocks of rows add at most {@link Blocks#ROWS} rows to float32
 * sums per column, and such a lot to float64 sums per feature; blocks of runs add to the latter at once. A block with
 * one lot leaves its columns as they are: fewer bytes for the thread that will add them up.
 *
 * <p>Blocks that share features have a partial sum each. All are added up in their order, which makes the same bits for
 * any number of threads.
 */
final class PartialSums {
    /**
     * Values between arrays that different threads write, so that these never share a line of the caches: for which the
     * threads would take turns.
     */
    static final int APART = 64;

    private Blocks blocks = Blocks.NONE;
    private double[][] ofFeatures = {};
    private float[][] ofColumns = {};

    /** Makes room for the sums of a shape; the contents are lost. */
    void reserve(Blocks blocks, int threads) {
        this.blocks = blocks;
        int partials = blocks.partials();
        if (ofFeatures.length < partials) {
            ofFeatures = Arrays.copyOf(ofFeatures, partials);
        }
        for (int i = 0; i < partials; i++) {
            if (ofFeatures[i] == null || ofFeatures[i].length < blocks.features) {
                ofFeatures[i] = new double[blocks.features + APART];
            }
        }
        int columns = !blocks.byRows ? 0 : blocks.isOneLot() ? partials : threads;
        if (ofColumns.length < columns) {
            ofColumns = Arrays.copyOf(ofColumns, columns);
        }
        for (int i = 0; i < columns; i++) {
            if (ofColumns[i] == null || ofColumns[i].length < blocks.width) {
                ofColumns[i] = new float[blocks.width + APART];
            }
        }
    }

    /** A partial's sums per feature. */
    double[] features(int partial) {
        return ofFeatures[partial];
    }

    /** The sums per column of the partial on which a thread works. */
    float[] columns(int partial, int participant) {
        return ofColumns[blocks.isOneLot() ? partial : participant];
    }

    /** Clears a partial's sums of the features {@code from} to {@code to}. */
    void clear(int partial, int participant, int from, int to) {
        if (!blocks.isOneLot()) {
            Arrays.fill(ofFeatures[partial], from, to, 0);
        }
        if (blocks.byRows) {
            clearColumns(partial, participant, from, to);
        }
    }

    private void clearColumns(int partial, int participant, int from, int to) {
        Arrays.fill(columns(partial, participant), blocks.firstColumn(from), blocks.endColumn(to), 0);
    }

    /**
     * Ends a lot, after which another may follow: adds the columns of the features {@code from} to {@code to}, unless
     * it is the only one.
     */
    void endLot(int partial, int participant, int from, int to) {
        if (!blocks.isOneLot()) {
            addColumns(columns(partial, participant), ofFeatures[partial], from, to);
            clearColumns(partial, participant, from, to);
        }
    }

    private void addColumns(float[] columns, double[] sums, int from, int to) {
        blocks.addColumns(columns, blocks.firstColumn(from), blocks.endColumn(to), sums, Tile.current().a);
    }

    /**
     * Adds up the partials of the features {@code from} to {@code to}, which no other thread does at the same time, and
     * returns the array that has them.
     */
    double[] total(int from, int to) {
        double[] first = ofFeatures[0];
        if (blocks.isOneLot()) {
            total(first, from, to);
        } else {
            addFurther(first, from, to);
        }
        return first;
    }

    /** The same into a thread's own array, which leaves the partials to other threads. */
    void total(double[] into, int from, int to) {
        if (blocks.isOneLot()) {
            Arrays.fill(into, from, to, 0);
            for (int p = 0; p < blocks.partials(); p++) {
                addColumns(ofColumns[p], into, from, to);
            }
            return;
        }
        System.arraycopy(ofFeatures[0], from, into, from, to - from);
        addFurther(into, from, to);
    }

    private void addFurther(double[] into, int from, int to) {
        for (int p = 1; p < blocks.partials(); p++) {
            add(into, ofFeatures[p], from, to);
        }
    }

    private static void add(double[] sums, double[] more, int from, int to) {
        for (int c = from; c < to; c++) {
            sums[c] += more[c];
        }
    }
}

package org.batchnorm.cpu.pass;

import java.util.Arrays;
import org.batchnorm.cpu.cut.Cut;
import org.batchnorm.cpu.kernel.ColumnSums;
import org.batchnorm.cpu.kernel.Sums;

/**
 * The sums of an operation under way, before they are merged. Blocks that share features have a partial sum each, and
 * these are added up in the order of the blocks, which makes the same bits for any number of threads.
 *
 * <p>A block of rows adds its values to float32 sums per column. Every {@link org.batchnorm.cpu.cut.CutPolicy#ROWS}
 * rows it adds these to float64 sums per feature, which are its partial sum. A block that has no more rows than that
 * leaves its columns as they are: they are fewer bytes for the thread that will add them up. A block of runs adds to
 * the sums per feature at once.
 */
final class PartialSums {
    private Cut cut = Cut.NONE;
    private Sums[] ofFeatures = {};
    private ColumnSums[] ofColumns = {};

    /** Makes room for the sums of a cut; the contents are lost. */
    void reserve(Cut newCut, int threads) {
        cut = newCut;
        int partials = cut.partials();
        int have = ofFeatures.length;
        if (have < partials) {
            ofFeatures = Arrays.copyOf(ofFeatures, partials);
            Arrays.setAll(ofFeatures, i -> i < have ? ofFeatures[i] : new Sums());
        }
        for (int i = 0; i < partials; i++) {
            ofFeatures[i].reserve(cut.features);
        }
        int columns = !cut.byRows ? 0 : cut.isSummedOnce() ? partials : threads;
        int had = ofColumns.length;
        if (had < columns) {
            ofColumns = Arrays.copyOf(ofColumns, columns);
            Arrays.setAll(ofColumns, i -> i < had ? ofColumns[i] : new ColumnSums());
        }
        for (int i = 0; i < columns; i++) {
            ofColumns[i].reserve(cut.columns.width);
        }
    }

    /** The sums per feature of a partial sum. */
    Sums features(int partial) {
        return ofFeatures[partial];
    }

    /** The sums per column of the partial sum on which a thread works: the partial's own, or the thread's. */
    ColumnSums columns(int partial, int participant) {
        return ofColumns[cut.isSummedOnce() ? partial : participant];
    }

    /** Clears a partial sum of the features {@code from} to {@code to}. */
    void clear(int partial, int participant, int from, int to) {
        if (!cut.isSummedOnce()) {
            Arrays.fill(ofFeatures[partial].sum, from, to, 0);
            Arrays.fill(ofFeatures[partial].product, from, to, 0);
        }
        if (cut.byRows) {
            clearColumns(columns(partial, participant), from, to);
        }
    }

    private void clearColumns(ColumnSums columns, int from, int to) {
        Arrays.fill(columns.sum, cut.columns.first(from), cut.columns.end(to), 0);
        Arrays.fill(columns.sumLow, cut.columns.first(from), cut.columns.end(to), 0);
        Arrays.fill(columns.product, cut.columns.first(from), cut.columns.end(to), 0);
    }

    /**
     * Adds the columns of the features {@code from} to {@code to} to the sums per feature, and clears them: after as
     * many rows as float32 holds. Does nothing where the columns are the partial sum.
     *
     * @param scratch a thread's own
     */
    void addUp(int partial, int participant, int from, int to, float[] scratch) {
        if (!cut.isSummedOnce()) {
            ColumnSums columns = columns(partial, participant);
            addColumns(columns, ofFeatures[partial], from, to, scratch);
            clearColumns(columns, from, to);
        }
    }

    private void addColumns(ColumnSums columns, Sums sums, int from, int to, float[] scratch) {
        int first = cut.columns.first(from);
        int end = cut.columns.end(to);
        cut.columns.addUp(columns.sum, first, end, sums.sum, scratch);
        cut.columns.addUp(columns.sumLow, first, end, sums.sum, scratch);
        cut.columns.addUp(columns.product, first, end, sums.product, scratch);
    }

    /**
     * Adds up the partial sums of the features {@code from} to {@code to}, into the first of them. No other thread may
     * do so for the same features.
     */
    Sums total(int from, int to, float[] scratch) {
        Sums first = ofFeatures[0];
        if (cut.isSummedOnce()) {
            totalOfColumns(first, from, to, scratch);
        } else {
            addFurther(first, from, to);
        }
        return first;
    }

    /** The same into a thread's own sums, so that all threads may do so at once. */
    void total(Sums into, int from, int to, float[] scratch) {
        if (cut.isSummedOnce()) {
            totalOfColumns(into, from, to, scratch);
            return;
        }
        System.arraycopy(ofFeatures[0].sum, from, into.sum, from, to - from);
        System.arraycopy(ofFeatures[0].product, from, into.product, from, to - from);
        addFurther(into, from, to);
    }

    private void totalOfColumns(Sums into, int from, int to, float[] scratch) {
        Arrays.fill(into.sum, from, to, 0);
        Arrays.fill(into.product, from, to, 0);
        for (int p = 0; p < cut.partials(); p++) {
            addColumns(ofColumns[p], into, from, to, scratch);
        }
    }

    private void addFurther(Sums into, int from, int to) {
        for (int p = 1; p < cut.partials(); p++) {
            add(into.sum, ofFeatures[p].sum, from, to);
            add(into.product, ofFeatures[p].product, from, to);
        }
    }

    private static void add(double[] sums, double[] more, int from, int to) {
        for (int c = from; c < to; c++) {
            sums[c] += more[c];
        }
    }
}

package org.batchnorm.cpu;

import java.util.Arrays;
import org.batchnorm.data.BatchShape;

/**
 * How the values of one shape are cut into blocks, which are the units of work of the threads. The cut depends on the
 * shape alone, so that results do not depend on the number of threads.
 *
 * <p>There are two views of the values:
 *
 * <ul>
 *   <li><b>rows</b>: a matrix whose columns each belong to one feature. (N,C) and channels-last data are one as they
 *       lie; where C is small or no multiple of the vector's lanes, {@code fold} rows count as one ({@code column →
 *       feature = column mod C}). Channels-first data with few spatial positions are one of C·S columns ({@code column
 *       → feature = column / S}).
 *   <li><b>runs</b>: channels-first data with many spatial positions: a run of S values for each image and channel.
 * </ul>
 */
final class Blocks {
    /**
     * The rows that float sums take before they go into double ones; the few that a block has left after its last such
     * lot come on top (at most 127, where C = 1).
     */
    static final int ROWS = 64;

    /** The rows down which kernels add up a few columns in registers: not many, as every addition rounds. */
    static final int STRIP_ROWS = 16;

    /** The longest run that one kernel call takes, for the same reason. */
    static final int RUN = 2048;

    /**
     * The longest run that one call takes of a kernel that sums nothing: longer ones gain nothing, and {@code int}s
     * must count it.
     */
    static final int MAPPED_RUN = 1 << 24;

    private static final int MIN_RUN = 32;
    private static final int MANY_IMAGES = 16;
    private static final int MIN_BLOCK = 32 * 1024;
    private static final int MAX_BLOCKS = 64;
    private static final int MIN_ROWS = 16;
    private static final int ENOUGH_ROWS = 128;
    private static final int FEW_PARTS = 4;
    private static final int FOLDED_WIDTH = 128;
    private static final int FOLD_BELOW = Tile.SIZE;
    private static final int ALIGNMENT = 16;
    private static final int IMAGES_AT_ONCE = 4;
    private static final int MANY_ROWS = 32;

    /** Tensors of more bytes together have mostly left a core's own caches before they are read again. */
    private static final long LARGE_BYTES = 8 << 20;

    /**
     * Tensors of no more bytes together stay in a core's own caches, where these are as large as on processors with
     * vectors of 512 bits.
     */
    private static final long OWN_BYTES = 2 << 20;

    /** Tensors of no more bytes together stay in the first-level cache. */
    private static final long NEAR_BYTES = 32 << 10;

    /** What the groups of all threads may have together, so as to stay in the caches. */
    private static final long CACHED_BYTES = 24 << 20;

    /** What a group has where runs are not so long that it must have more. */
    private static final long GROUP_BYTES = 1 << 20;

    /** Neighbouring values that a group has at least: shorter pieces cost more than the second reading saves. */
    private static final int GROUP_RUN = 2048;

    private static final int GROUPS_PER_THREAD = 4;

    /**
     * Columns that a group of a matrix has at least: what belongs to these, sums, statistics and coefficients, stays in
     * the first-level cache.
     */
    private static final int GROUP_COLUMNS = 512;

    /** The most rows of such a group: more values would not stay in the second-level cache. */
    private static final int GROUP_ROWS = 128;

    /**
     * How many times more columns than rows a matrix has at least that is taken in groups. In every row, the threads
     * share the lines in which their groups meet.
     */
    private static final int COLUMNS_PER_ROW = 64;

    /** Those of the smallest shape. */
    static final Blocks NONE = new Blocks(BatchShape.of(1, 1));

    final BatchShape shape;
    final int features;

    /** Whether the values are seen as rows; else as runs. */
    final boolean byRows;

    /** Neighbouring columns that belong to the same feature. */
    final int repeat;

    /** Rows of the data that count as one row of the matrix. */
    final int fold;

    /** Columns of the matrix. */
    final int width;

    /** Rows of the matrix, or images. */
    final long rows;

    /** Rows of the data, C · repeat wide, that remain after the last whole row of the matrix. */
    final int looseRows;

    /** Blocks along the rows or images. */
    final int rowParts;

    /** Blocks along the features. */
    final int featureParts;

    /** Blocks along the spatial positions. */
    final int spatialParts;

    private Blocks(BatchShape shape) {
        this.shape = shape;
        this.features = shape.c();
        long target = Math.clamp(shape.elements() / MIN_BLOCK, 1, MAX_BLOCKS);
        boolean contiguous = shape.featuresContiguous();
        int minRun = shape.n() < MANY_IMAGES ? MIN_RUN : 2 * MIN_RUN;
        byRows = contiguous || (shape.spatial() < minRun && shape.c() * shape.spatial() <= Integer.MAX_VALUE / 2);
        if (byRows) {
            repeat = contiguous ? 1 : (int) shape.spatial();
            int base = features * repeat;
            long dataRows = contiguous ? shape.n() * shape.spatial() : shape.n();
            fold = fold(base, dataRows);
            width = base * fold;
            rows = dataRows / fold;
            looseRows = (int) (dataRows % fold);
            long mostParts = Math.max(rows / MIN_ROWS, 1);
            rowParts = (int) Math.min(target, Math.max(rows / ENOUGH_ROWS, Math.min(mostParts, FEW_PARTS)));
            // A few columns of each row are slow to read: columns are parted only where there are too few rows.
            featureParts =
                    fold > 1 ? 1 : (int) Math.clamp(ceilDiv(target, mostParts), 1, ceilDiv(features, 4 * ALIGNMENT));
            spatialParts = 1;
        } else {
            repeat = 1;
            fold = 1;
            width = features;
            rows = shape.n();
            looseRows = 0;
            rowParts = (int) Math.clamp(ceilDiv(rows, IMAGES_AT_ONCE), 1, target);
            featureParts = Math.clamp(ceilDiv(target, rowParts), 1, features);
            spatialParts = (int)
                    Math.clamp(ceilDiv(target, (long) rowParts * featureParts), 1, ceilDiv(shape.spatial(), 4 * RUN));
        }
    }

    /** The blocks of a shape. */
    static Blocks of(BatchShape shape) {
        return new Blocks(shape);
    }

    private static int fold(int base, long rows) {
        if (base >= FOLD_BELOW || (base % ALIGNMENT == 0 && base >= FOLDED_WIDTH)) {
            return 1;
        }
        int toAlign = ALIGNMENT / Math.min(ALIGNMENT, Integer.lowestOneBit(base));
        int fold = toAlign * (int) ceilDiv(FOLDED_WIDTH, (long) base * toAlign);
        return Math.clamp(rows, 1, fold);
    }

    /**
     * The rows that each of {@code streams} streams has when rows that are far apart are read at once: an even share,
     * less one where that is an even number and there are several streams. An odd number of rows does not set the
     * streams apart by a power of two, at which the caches take the lines of one stream, or of another array, for each
     * other's.
     */
    static long rowsOfStream(long rows, int streams) {
        long share = rows / streams;
        return streams == 1 || share < MANY_ROWS ? share : (share - 1) | 1;
    }

    /** Rows of the data, of which the matrix may fold several into one. */
    long dataRows() {
        return rows * fold + looseRows;
    }

    /** The number of blocks. */
    int count() {
        return rowParts * featureParts * spatialParts;
    }

    /** The number of partial sums of each feature: blocks that share features. */
    int partials() {
        return rowParts * spatialParts;
    }

    /** The partial sum of its features that a block writes: it tells the block's rows or images, and its positions. */
    int partialOf(int block) {
        return block / (featureParts * spatialParts) * spatialParts + block % spatialParts;
    }

    private int featurePartOf(int block) {
        return block / spatialParts % featureParts;
    }

    int rowPartOf(int partial) {
        return partial / spatialParts;
    }

    /** The first row or image of a block; that of the next row part is its end. */
    long firstRow(int rowPart) {
        return byRows ? cut(rows, rowParts, rowPart, 1) : cut(rows, rowParts, rowPart, IMAGES_AT_ONCE);
    }

    long endRow(int rowPart) {
        return firstRow(rowPart + 1);
    }

    int firstFeature(int block) {
        return (int) cut(features, featureParts, featurePartOf(block), byRows ? ALIGNMENT : 1);
    }

    int endFeature(int block) {
        return (int) cut(features, featureParts, featurePartOf(block) + 1, byRows ? ALIGNMENT : 1);
    }

    long firstPosition(int partial) {
        return cut(shape.spatial(), spatialParts, partial % spatialParts, ALIGNMENT);
    }

    long endPosition(int partial) {
        return cut(shape.spatial(), spatialParts, partial % spatialParts + 1, ALIGNMENT);
    }

    /**
     * Into how many groups of features to divide an operation of two passes, so that a thread takes a group through
     * both and finds in its caches what it reads the second time: the values, or, of a few rows, what belongs to the
     * columns. 0 where the threads had better go through the whole batch twice: it stays in the caches as it is, or the
     * values of a group are too far apart or too many. Results are the same bits either way.
     *
     * @param inputs tensors that are read; there is one more that is written
     */
    int groups(int inputs, int threads) {
        if (byRows) {
            boolean wide = rows <= Math.min(features / COLUMNS_PER_ROW, GROUP_ROWS) && !isExpanded();
            int groups = features / GROUP_COLUMNS;
            return wide && groups > 1 ? groups : 0;
        }
        long bytesOfTensor = shape.elements() * Float.BYTES;
        if (bytesOfTensor * (inputs + 1) < LARGE_BYTES) {
            return 0;
        }
        long bytesOfFeature = bytesOfTensor * inputs / features;
        long together = Math.max(GROUP_BYTES / bytesOfFeature, ceilDiv(GROUP_RUN, shape.spatial()));
        int groups = (int) ceilDiv(features, together);
        boolean fit = together * bytesOfFeature * threads <= CACHED_BYTES;
        return fit && groups >= GROUPS_PER_THREAD * threads ? groups : 0;
    }

    /** The first of the features that part {@code part} of {@code parts} has. */
    int firstFeature(int part, int parts) {
        return (int) cut(features, parts, part, byRows ? ALIGNMENT : 1);
    }

    /**
     * Whether a block of rows has no more of them than float sums take, which then are the block's partial sums as they
     * are.
     */
    boolean isOneLot() {
        return byRows && repeat == 1 && Math.ceilDiv(rows, rowParts) <= ROWS;
    }

    /** Whether so many tensors stay in a core's own caches. */
    boolean isCached(int tensors) {
        return shape.elements() * tensors * Float.BYTES <= OWN_BYTES;
    }

    /** Whether so many tensors stay in a core's first-level cache. */
    boolean isNear(int tensors) {
        return shape.elements() * tensors * Float.BYTES <= NEAR_BYTES;
    }

    /** The first column of a feature. */
    int firstColumn(int feature) {
        return feature * repeat;
    }

    /** The end of the columns of the features before {@code feature}; where rows are folded, these are all features. */
    int endColumn(int feature) {
        return fold > 1 ? width : feature * repeat;
    }

    /** Whether a feature has more than one column. */
    boolean isExpanded() {
        return byRows && width > features;
    }

    /** Repeats the values of the C features for every column; both may be the same array. */
    void expand(float[] ofFeatures, float[] ofColumns) {
        if (repeat > 1) {
            for (int c = features - 1; c >= 0; c--) {
                Arrays.fill(ofColumns, c * repeat, (c + 1) * repeat, ofFeatures[c]);
            }
        } else {
            System.arraycopy(ofFeatures, 0, ofColumns, 0, features);
        }
        int base = features * repeat;
        for (int k = 1; k < fold; k++) {
            System.arraycopy(ofColumns, 0, ofColumns, k * base, base);
        }
    }

    /**
     * Adds the sums of the columns {@code from} to {@code to} to those of their features.
     *
     * @param scratch for C values where rows are folded
     */
    void addColumns(float[] columns, int from, int to, double[] sums, float[] scratch) {
        if (repeat > 1) {
            for (int j = from; j < to; j += repeat) {
                double sum = 0;
                for (int s = 0; s < repeat; s++) {
                    sum += columns[j + s];
                }
                sums[j / repeat % features] += sum;
            }
            return;
        }
        add(columns, sums, from, Math.min(features, to));
        for (int start = features; start < to; start += features) {
            // A copy that is indexed as the sums are lets the compiler make vector code of the loop.
            System.arraycopy(columns, start, scratch, 0, features);
            add(scratch, sums, 0, features);
        }
    }

    private static void add(float[] columns, double[] sums, int from, int to) {
        for (int j = from; j < to; j++) {
            sums[j] += columns[j];
        }
    }

    /**
     * Where part {@code part} of {@code parts} begins when {@code length} is cut into nearly equal parts at multiples
     * of {@code unit}.
     */
    private static long cut(long length, int parts, int part, int unit) {
        if (part == parts) {
            return length;
        }
        long units = ceilDiv(length, unit);
        long perPart = units / parts;
        return Math.min(length, (perPart * part + units % parts * part / parts) * unit);
    }

    private static long ceilDiv(long value, long divisor) {
        return Math.ceilDiv(value, divisor);
    }
}

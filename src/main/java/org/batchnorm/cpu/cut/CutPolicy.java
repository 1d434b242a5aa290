package org.batchnorm.cpu.cut;

import org.batchnorm.data.BatchShape;

/**
 * Every threshold of size, threads and caches: how finely a batch is cut, and which of several ways to the same bits is
 * the faster one. What a threshold decides is said once, here; who asks knows no number.
 *
 * <p>What decides the order of additions, the shift, or what is computed again depends on the shape alone: never on the
 * machine, the number of threads or the width of its vectors. That is so of the cut itself, of {@link #ROWS},
 * {@link #STRIP_ROWS}, {@link #RUN}, {@link #IMAGES_AT_ONCE}, {@link #isCached}, the samples, {@link #far} and
 * {@link #reducesAgain}.
 */
public final class CutPolicy {
    /**
     * The rows whose sum float32 holds before it goes into float64, twice as many where eight are added at once:
     * {@link #rowsAtOnce}. Two kinds of rows come on top at the end of a block: at most 15 that do not go into each
     * stream, and the last block's loose rows, at most 127 (where C = 1).
     */
    public static final int ROWS = 64;

    /** As many additions to the sum of a column as {@link #ROWS} take by fours: where more rows are added at once. */
    private static final int ADDITIONS = 16;

    /** The rows down which a strip of columns is added up in registers: not many, as every addition rounds. */
    public static final int STRIP_ROWS = 16;

    /** The longest run that one call of a reduction takes, for the same reason. */
    public static final int RUN = 2048;

    /**
     * The longest run that one call of an elementwise kernel takes: longer ones gain nothing, and an int must count it.
     */
    public static final int MAPPED_RUN = 1 << 24;

    /** Images whose runs a reduction takes together. */
    public static final int IMAGES_AT_ONCE = 4;

    /** Columns, or positions of a run, at whose multiples blocks begin: those of one vector of 512 bits. */
    static final int ALIGNMENT = 16;

    /** The most values that lie evenly spread in a sample. */
    public static final int SAMPLES = 16;

    private static final int VALUES_PER_SAMPLE = 8;
    private static final int FEW_SAMPLES = 8;

    /**
     * Divided by the number of samples, what (mean − shift)² may be of the variance: 32 times what it is on average.
     */
    private static final float FAR = 32;

    private static final int MIN_RUN = 32;
    private static final int MANY_IMAGES = 16;
    private static final int MIN_BLOCK = 32 * 1024;
    private static final int MAX_BLOCKS = 64;
    private static final int MIN_ROWS = 16;
    private static final int ENOUGH_ROWS = 128;
    private static final int FEW_PARTS = 4;
    private static final int FOLDED_WIDTH = 128;

    /** Rows at least this wide count one by one, aligned or not. */
    private static final int FOLD_BELOW = 512;

    private static final int MANY_ROWS = 32;

    /** Below this many values, waking other threads costs more than they save. */
    private static final long ALONE_BELOW = 64 * 1024;

    /**
     * Up to so many partial sums every thread adds up for itself: that is sooner done than fetched from another core.
     */
    private static final int FEW_PARTIALS = 4;

    /**
     * Fewer features than this are merged sooner than another core hears of them. At least half of {@link #FOLD_BELOW}:
     * features whose rows are folded cannot be merged in parts.
     */
    private static final int MERGED_FEATURES = 256;

    /**
     * From this many values on, code that runs once in an operation is rare: an operation takes so long that the
     * compiler does not take up that code for many of its calls. Loops on vectors make objects until they are compiled,
     * so that plain ones do such work.
     */
    private static final long RARE_FROM = 1 << 20;

    /** Tensors of more bytes together have mostly left a core's own caches before they are read again. */
    private static final long LARGE_BYTES = 8 << 20;

    /** Tensors of no more bytes together stay in a core's own caches, the first and the second level. */
    private static final long OWN_BYTES = 2 << 20;

    /** Tensors of no more bytes together stay in the first-level cache. */
    private static final long FIRST_LEVEL_BYTES = 32 << 10;

    /** The bytes that a map of one input reads for one column: its centre, scale and offset. */
    private static final int COEFFICIENT_BYTES = 3 * Float.BYTES;

    /** The most bytes that the groups of all threads may have together, so as to stay in the caches. */
    private static final long CACHED_BYTES = 24 << 20;

    /** The bytes of a group, unless {@link #GROUP_RUN} makes it larger. */
    private static final long GROUP_BYTES = 1 << 20;

    /** The least neighbouring values of a group: shorter pieces cost more than the second reading saves. */
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
     * How many times as many columns as rows a matrix must have to be taken in groups. Where two groups meet, their
     * threads share a cache line in every row, so that there must be few rows.
     */
    private static final int COLUMNS_PER_ROW = 64;

    private CutPolicy() {}

    // ---- the cut: of the shape alone

    /**
     * Whether the values are seen as rows of a matrix: because they lie so, or because their runs are too short to be
     * taken one by one.
     */
    static boolean isByRows(BatchShape shape) {
        int minRun = shape.n() < MANY_IMAGES ? MIN_RUN : 2 * MIN_RUN;
        boolean shortRuns = shape.spatial() < minRun && shape.c() * shape.spatial() <= Integer.MAX_VALUE / 2;
        return shape.featuresContiguous() || shortRuns;
    }

    /** How many rows of the data, {@code base} wide, count as one row of the matrix: so that it is wide and aligned. */
    static int fold(int base, long rows) {
        if (base >= FOLD_BELOW || (base % ALIGNMENT == 0 && base >= FOLDED_WIDTH)) {
            return 1;
        }
        int toAlign = ALIGNMENT / Math.min(ALIGNMENT, Integer.lowestOneBit(base));
        int fold = toAlign * (int) Math.ceilDiv(FOLDED_WIDTH, (long) base * toAlign);
        return Math.clamp(rows, 1, fold);
    }

    private static long blocks(BatchShape shape) {
        return Math.clamp(shape.elements() / MIN_BLOCK, 1, MAX_BLOCKS);
    }

    private static long mostRowParts(long rows) {
        return Math.max(rows / MIN_ROWS, 1);
    }

    /** Into how many blocks the rows of a matrix are cut. */
    static int rowParts(BatchShape shape, long rows) {
        long enough = Math.max(rows / ENOUGH_ROWS, Math.min(mostRowParts(rows), FEW_PARTS));
        return (int) Math.min(blocks(shape), enough);
    }

    /**
     * Into how many blocks the columns of a matrix are cut: of few rows only, as a few columns of each row are slow to
     * read.
     */
    static int columnParts(BatchShape shape, long rows) {
        long parts = Math.ceilDiv(blocks(shape), mostRowParts(rows));
        return Math.clamp(parts, 1, Math.ceilDiv(shape.c(), 4 * ALIGNMENT));
    }

    /** Into how many blocks images are cut. */
    static int imageParts(BatchShape shape) {
        return (int) Math.clamp(Math.ceilDiv(shape.n(), IMAGES_AT_ONCE), 1, blocks(shape));
    }

    /** Into how many blocks the channels of images are cut, which are cut into {@code imageParts}. */
    static int channelParts(BatchShape shape, int imageParts) {
        return Math.clamp(Math.ceilDiv(blocks(shape), imageParts), 1, shape.c());
    }

    /** Into how many blocks the positions of an image are cut, where the others make {@code blocks} of them. */
    static int spatialParts(BatchShape shape, long blocks) {
        return (int) Math.clamp(Math.ceilDiv(blocks(shape), blocks), 1, Math.ceilDiv(shape.spatial(), 4 * RUN));
    }

    // ---- samples

    /** How many values of each feature are sampled. */
    public static int samples(BatchShape shape) {
        long values = shape.valuesPerFeature();
        return (int) Math.clamp(values / VALUES_PER_SAMPLE, Math.min(values, FEW_SAMPLES), SAMPLES);
    }

    // ---- what the passes and the kernels ask

    /**
     * The rows that each of {@code streams} streams has when rows that are far apart are read at once: an even share,
     * less one where that is an even number and there are several streams. An odd number of rows does not set the
     * streams apart by a power of two, at which the caches take the lines of one stream, or of another array, for each
     * other's.
     */
    public static long rowsOfStream(long rows, int streams) {
        long share = rows / streams;
        return streams == 1 || share < MANY_ROWS ? share : (share - 1) | 1;
    }

    /**
     * How many rows of each stream float32 sums hold: more of many streams, whose rows are first added to each other.
     */
    public static int rowsAtOnce(int streams) {
        return Math.max(ROWS / streams, ADDITIONS);
    }

    /** Whether so many tensors of a shape stay in a core's own caches. */
    public static boolean isCached(BatchShape shape, int tensors) {
        return shape.bytes() * tensors <= OWN_BYTES;
    }

    /** Whether so many tensors of a shape stay in a core's first-level cache. */
    public static boolean fitsFirstLevel(BatchShape shape, int tensors) {
        return shape.bytes() * tensors <= FIRST_LEVEL_BYTES;
    }

    /**
     * Whether rows are better mapped four at once than two: in a core's own caches, or where the coefficients of all
     * columns do not stay in the first-level cache beside them. Elsewhere, four more streams are too many for some
     * prefetchers (measured on an AMD EPYC, family 25: twice the time).
     */
    public static boolean mapsFourRows(Cut cut) {
        return isCached(cut.shape, 2) || (long) cut.columns.width * COEFFICIENT_BYTES > FIRST_LEVEL_BYTES;
    }

    /** How many of the threads on offer a batch is worth: at most one for each of its blocks, or groups of columns. */
    public static int threads(Cut cut, int offered) {
        int groups = Math.min(columnGroups(cut), MAX_BLOCKS);
        return cut.shape.elements() < ALONE_BELOW ? 1 : Math.min(offered, Math.max(cut.count(), groups));
    }

    /** Whether code that runs once in an operation on a shape is rare, so that plain loops had better do its work. */
    public static boolean isRare(BatchShape shape) {
        return shape.elements() >= RARE_FROM;
    }

    /**
     * Whether what a map needs of the features stays in a core's own caches, so that every thread had better make it
     * for itself. Of more features, each thread would only fill memory with the same.
     */
    public static boolean isMadeByAll(int features) {
        return (long) features * COEFFICIENT_BYTES <= OWN_BYTES;
    }

    /** Whether every thread had better merge all partial sums for itself. */
    public static boolean mergesByAll(Cut cut, int threads) {
        int partials = cut.partials();
        return threads > 1 && partials > 1 && partials <= FEW_PARTIALS && isMadeByAll(cut.features);
    }

    /**
     * Whether features are reduced again where their shift proves to be far from their mean; else they are taken in
     * double precision. Of the shape alone: where threads may merge for themselves, they cannot reduce again at the
     * same time.
     */
    public static boolean reducesAgain(Cut cut) {
        return cut.partials() == 1 || cut.partials() > FEW_PARTIALS;
    }

    /**
     * Beyond this ratio of (mean − shift)² to the variance, sums about the shift have lost too many digits. Features of
     * few values have few samples, so that the shift is often farther from the mean; their sums lose fewer digits, so
     * that it may be.
     */
    public static float far(Cut cut) {
        return FAR / samples(cut.shape);
    }

    /** Into how many parts the features are cut to be merged. */
    public static int mergeParts(int features, int threads) {
        return Math.clamp(features / MERGED_FEATURES, 1, threads);
    }

    /**
     * Into how many groups of features to divide an operation of two passes, so that a thread takes a group through
     * both and finds in its caches what it reads the second time: the values, or, of a few rows, what belongs to the
     * columns. 0 where the threads had better go through the whole batch twice: it stays in the caches as it is, or the
     * values of a group are too far apart or too many. Results are the same bits either way.
     *
     * @param inputs tensors that are read; there is one more that is written
     */
    public static int groups(Cut cut, int inputs, int threads) {
        if (cut.byRows) {
            return columnGroups(cut);
        }
        long bytesOfTensor = cut.shape.bytes();
        if (bytesOfTensor * (inputs + 1) < LARGE_BYTES) {
            return 0;
        }
        long bytesOfFeature = bytesOfTensor * inputs / cut.features;
        long together = Math.max(GROUP_BYTES / bytesOfFeature, Math.ceilDiv(GROUP_RUN, cut.shape.spatial()));
        int groups = (int) Math.ceilDiv(cut.features, together);
        boolean fit = together * bytesOfFeature * threads <= CACHED_BYTES;
        return fit && groups >= GROUPS_PER_THREAD * threads ? groups : 0;
    }

    private static int columnGroups(Cut cut) {
        boolean wide = cut.byRows
                && cut.rows <= Math.min(cut.features / COLUMNS_PER_ROW, GROUP_ROWS)
                && !cut.columns.isExpanded();
        int groups = cut.features / GROUP_COLUMNS;
        return wide && groups > 1 ? groups : 0;
    }
}

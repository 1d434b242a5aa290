package org.batchnorm.cpu.cut;

import org.batchnorm.data.BatchShape;

/**
 * How the values of one shape are cut into blocks. A block is what one thread reduces or maps at a time: some features
 * of a part of the rows, or of a part of the images and positions. The cut depends on the shape alone, so that results
 * do not depend on the number of threads.
 *
 * <p>There are two views of the values:
 *
 * <ul>
 *   <li><b>rows</b>: a matrix whose columns each belong to one feature ({@link Columns}). (N,C) and channels-last data
 *       are one as they lie, channels-first data with few spatial positions are one of C·S columns.
 *   <li><b>runs</b>: channels-first data with many spatial positions: a run of S values for each image and channel.
 * </ul>
 */
public final class Cut {
    /** The cut of the smallest shape, which stands where no batch was taken yet. */
    public static final Cut NONE = new Cut(BatchShape.of(1, 1));

    /** The shape that is cut. */
    public final BatchShape shape;

    /** C. */
    public final int features;

    /** Whether the values are seen as rows; else as runs. */
    public final boolean byRows;

    /** The columns of the matrix; of runs, one for each feature. */
    public final Columns columns;

    /** Rows of the matrix, or images. */
    public final long rows;

    /** Rows of the data that remain behind the last row of the matrix, where rows are folded. */
    public final int looseRows;

    /** Blocks along the rows or images. */
    public final int rowParts;

    private final int featureParts;
    private final int spatialParts;

    private Cut(BatchShape shape) {
        this.shape = shape;
        this.features = shape.c();
        byRows = CutPolicy.isByRows(shape);
        boolean contiguous = shape.featuresContiguous();
        if (byRows) {
            int repeat = contiguous ? 1 : (int) shape.spatial();
            long dataRows = contiguous ? shape.n() * shape.spatial() : shape.n();
            int fold = CutPolicy.fold(features * repeat, dataRows);
            columns = new Columns(features, repeat, fold);
            rows = dataRows / fold;
            looseRows = (int) (dataRows % fold);
            rowParts = CutPolicy.rowParts(shape, rows);
            featureParts = fold > 1 ? 1 : CutPolicy.columnParts(shape, rows);
            spatialParts = 1;
        } else {
            columns = new Columns(features, 1, 1);
            rows = shape.n();
            looseRows = 0;
            rowParts = CutPolicy.imageParts(shape);
            featureParts = CutPolicy.channelParts(shape, rowParts);
            spatialParts = CutPolicy.spatialParts(shape, (long) rowParts * featureParts);
        }
    }

    /** The cut of a shape. */
    public static Cut of(BatchShape shape) {
        return new Cut(shape);
    }

    /** Whether whole rows of the data are sampled; else the values of each channel. */
    public boolean samplesRows() {
        return byRows && columns.repeat == 1;
    }

    /** The distance between images. */
    public long imageApart() {
        return features * shape.spatial();
    }

    /** The number of blocks. */
    public int count() {
        return rowParts * featureParts * spatialParts;
    }

    /** The number of partial sums of each feature: blocks that share features. */
    public int partials() {
        return rowParts * spatialParts;
    }

    /**
     * Whether a block of rows has no more of them than one float32 sum takes. The sums per column then are the partial
     * sum, as they are.
     */
    public boolean isSummedOnce() {
        return byRows && columns.repeat == 1 && Math.ceilDiv(rows, rowParts) <= CutPolicy.ROWS;
    }

    /** The partial sum to which a block adds: the same for all blocks of the same rows, or images and positions. */
    public int partialOf(int block) {
        return block / (featureParts * spatialParts) * spatialParts + block % spatialParts;
    }

    private int featurePartOf(int block) {
        return block / spatialParts % featureParts;
    }

    /** The part of the rows or images that a partial sum takes. */
    public int rowPartOf(int partial) {
        return partial / spatialParts;
    }

    /** The first row or image of a part; that of the next part is its end. */
    public long firstRow(int rowPart) {
        return cut(rows, rowParts, rowPart, byRows ? 1 : CutPolicy.IMAGES_AT_ONCE);
    }

    /** The end of the rows or images of a part. */
    public long endRow(int rowPart) {
        return firstRow(rowPart + 1);
    }

    /** Whether a part has, beside its rows, the loose ones. */
    public boolean hasLooseRows(int rowPart) {
        return looseRows > 0 && rowPart == rowParts - 1;
    }

    /** The first feature of a block. */
    public int firstFeature(int block) {
        return firstFeature(featurePartOf(block), featureParts);
    }

    /** The end of a block's features. */
    public int endFeature(int block) {
        return firstFeature(featurePartOf(block) + 1, featureParts);
    }

    /** The first of the features that part {@code part} of {@code parts} has. */
    public int firstFeature(int part, int parts) {
        return (int) cut(features, parts, part, byRows ? CutPolicy.ALIGNMENT : 1);
    }

    /** The first position of the images that a partial sum takes. */
    public long firstPosition(int partial) {
        return cut(shape.spatial(), spatialParts, partial % spatialParts, CutPolicy.ALIGNMENT);
    }

    /** The end of the positions that a partial sum takes. */
    public long endPosition(int partial) {
        return cut(shape.spatial(), spatialParts, partial % spatialParts + 1, CutPolicy.ALIGNMENT);
    }

    /**
     * Where part {@code part} of {@code parts} begins when {@code length} is cut into nearly equal parts at multiples
     * of {@code unit}.
     */
    private static long cut(long length, int parts, int part, int unit) {
        if (part == parts) {
            return length;
        }
        long units = Math.ceilDiv(length, unit);
        long perPart = units / parts;
        return Math.min(length, (perPart * part + units % parts * part / parts) * unit);
    }
}

package org.batchnorm.cpu;

/**
 * The kernel {@code collectStatistics}: sums of {@code x − shift} and {@code (x − shift)²} per column or per channel.
 * The shift lies near the mean, so that the variance that {@link MergeStatistics} takes from the sums does not cancel.
 *
 * <p>{@code x} is a {@code float[]} or a {@link java.lang.foreign.MemorySegment}; positions in it count floats. Bytes
 * moved: 4 a value.
 */
interface CollectStatistics {
    /** Places from which rows are read at once. */
    int STREAMS = 4;

    /**
     * From how many places rows are best read at once, {@link #STREAMS} or 1.
     *
     * @param cached whether x stays in a core's own caches
     */
    int streams(boolean cached);

    /**
     * A value near each column's mean: the mean of a few rows, without the largest and the smallest, so that one
     * outlier does not move it far. Exact for a constant column.
     *
     * @param start position of the first sampled row
     * @param samples rows to sample, ≥ 1
     * @param apart distance between sampled rows
     * @param from first column
     * @param to end of the columns
     * @param shift out, (columns)
     */
    void sampleRows(Object x, long start, int samples, long apart, int from, int to, float[] shift);

    /**
     * Adds rows of a matrix to float sums per column, from one place or from {@link #STREAMS} at once; at most
     * {@link Blocks#ROWS} rows in all, which keeps those sums accurate.
     *
     * @param start position of the first stream's first row's column 0
     * @param streams 1 or {@link #STREAMS}
     * @param apart distance between the streams
     * @param rows rows to add from each stream
     * @param width distance between rows
     * @param from first column
     * @param to end of the columns
     * @param shift in, indexed by column
     * @param sum in and out, indexed by column
     * @param square in and out, indexed by column
     */
    void rows(
            Object x,
            long start,
            int streams,
            long apart,
            int rows,
            long width,
            int from,
            int to,
            float[] shift,
            float[] sum,
            float[] square);

    /**
     * Adds runs of one channel after the other to double sums per channel.
     *
     * @param start position of the first image's run of channel {@code from}
     * @param images images, ≥ 1
     * @param imageApart distance between images
     * @param from first channel
     * @param to end of the channels
     * @param channelApart distance between channels
     * @param length values of a run, ≤ {@link Blocks#RUN}
     * @param shift in, indexed by channel
     * @param sum in and out, indexed by channel
     * @param square in and out, indexed by channel
     */
    void runs(
            Object x,
            long start,
            int images,
            long imageApart,
            int from,
            int to,
            long channelApart,
            int length,
            float[] shift,
            double[] sum,
            double[] square);
}

package org.batchnorm.cpu;

/**
 * The kernel {@code reduceGradients}: sums of {@code dy} and of {@code dy · (x − centre)} per column or per channel, of
 * which {@link MergeGradients} makes dbeta and dgamma. {@code centre} is the mean in float32.
 *
 * <p>{@code x} and {@code dy} are each a {@code float[]} or a {@link java.lang.foreign.MemorySegment}; positions in
 * them count floats. Bytes moved: 8 a value.
 */
interface ReduceGradients {
    /** Places from which rows of x and as many of dy are read at once. */
    int STREAMS = 2;

    /**
     * From how many places rows are best read at once, {@link #STREAMS} or 1.
     *
     * @param cached whether x and dy stay in a core's own caches
     */
    int streams(boolean cached);

    /**
     * Adds rows of a matrix to float sums per column, from one place or from {@link #STREAMS} at once; at most
     * {@link Blocks#ROWS} rows in all.
     *
     * @param xStart position of the first stream's first row's column 0 in x
     * @param dyStart the same in dy
     * @param streams 1 or {@link #STREAMS}
     * @param apart distance between the streams
     * @param rows rows to add from each stream
     * @param width distance between rows
     * @param from first column
     * @param to end of the columns
     * @param centre in, indexed by column
     * @param sum in and out, Σ dy, indexed by column
     * @param product in and out, Σ dy · (x − centre), indexed by column
     */
    void rows(
            Object x,
            long xStart,
            Object dy,
            long dyStart,
            int streams,
            long apart,
            int rows,
            long width,
            int from,
            int to,
            float[] centre,
            float[] sum,
            float[] product);

    /**
     * Adds runs of one channel after the other to double sums per channel.
     *
     * @param xStart position of the first image's run of channel {@code from} in x
     * @param dyStart the same in dy
     * @param images images, ≥ 1
     * @param imageApart distance between images
     * @param from first channel
     * @param to end of the channels
     * @param channelApart distance between channels
     * @param length values of a run, ≤ {@link Blocks#RUN}
     * @param centre in, indexed by channel
     * @param sum in and out, indexed by channel
     * @param product in and out, indexed by channel
     */
    void runs(
            Object x,
            long xStart,
            Object dy,
            long dyStart,
            int images,
            long imageApart,
            int from,
            int to,
            long channelApart,
            int length,
            float[] centre,
            double[] sum,
            double[] product);
}

package org.batchnorm.cpu;

/**
 * The kernel {@code reduceGradients}: sums of {@code dy} and of {@code dy · (x − centre)} per column or per channel, of which {@link MergeGradients} makes dbeta and dgamma. {@code centre} is the
 * mean in float32.
 *
 * <p>{@code x} and {@code dy} are each a {@code float[]} or a {@link java.lang.foreign.MemorySegment}; positions in them count floats. Bytes moved: 8 a value.
 */
interface ReduceGradients {

    /**
     * Adds the rows of a matrix to float sums per column; at most {@link Blocks#ROWS} rows.
     *
     * @param xStart position of the first row's column 0 in x
     * @param dyStart the same in dy
     * @param rows rows to add
     * @param width distance between rows
     * @param from first column
     * @param to end of the columns
     * @param centre in, indexed by column
     * @param sum in and out, Σ dy, indexed by column
     * @param product in and out, Σ dy · (x − centre), indexed by column
     * @param cached whether the whole batch is small enough to lie in a cache
     */
    void rows(
            Object x,
            long xStart,
            Object dy,
            long dyStart,
            int rows,
            long width,
            int from,
            int to,
            float[] centre,
            float[] sum,
            float[] product,
            boolean cached);

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

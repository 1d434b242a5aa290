package org.batchnorm.cpu;

/**
 * The kernel {@code transform}: {@code y = (x − centre) · scale + offset} with coefficients per column or per channel;
 * {@code centre} is the mean in float32, {@code scale = gamma · rstd} and {@code offset = beta − meanLow · scale}.
 * Subtracting first loses nothing where the mean is large; what rounding took from the mean is so small that it may
 * stand in the offset.
 *
 * <p>{@code x} and {@code y} are each a {@code float[]} or a {@link java.lang.foreign.MemorySegment}, and may be the
 * same memory; positions in them count floats. Bytes moved: 8 a value.
 */
interface Transform {

    /**
     * Transforms rows of a matrix.
     *
     * @param xStart position of the first row's column 0 in x
     * @param yStart the same in y
     * @param rows rows
     * @param width distance between rows
     * @param from first column
     * @param to end of the columns
     * @param near whether x and y stay in the first-level cache: a hint for speed, which changes no bit
     */
    void rows(
            Object x,
            long xStart,
            Object y,
            long yStart,
            long rows,
            long width,
            int from,
            int to,
            boolean near,
            Coefficients coefficients);

    /**
     * Transforms the runs of the channels {@code from} to {@code to} of some images.
     *
     * @param xStart position of the first image's run of channel {@code from} in x
     * @param yStart the same in y
     * @param images images
     * @param imageApart distance between images
     * @param channelApart distance between channels
     * @param length values of a run, ≤ {@link Blocks#MAPPED_RUN}
     */
    void runs(
            Object x,
            long xStart,
            Object y,
            long yStart,
            long images,
            long imageApart,
            int from,
            int to,
            long channelApart,
            int length,
            Coefficients coefficients);
}

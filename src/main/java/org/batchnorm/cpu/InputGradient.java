package org.batchnorm.cpu;

/**
 * The kernel {@code inputGradient}: {@code dx = scale · ((dy − dyCentre) + slope · (x − centre)) + offset} with
 * coefficients per column or per channel, which is {@code gamma · rstd · (dy − dbeta/m − x̂ · dgamma/m)}:
 * {@code centre} and {@code dyCentre} are the means of x and dy in float32, {@code scale = gamma · rstd}, {@code slope
 * = −rstd · dgamma / m}, and {@code offset} holds what rounding took from the two means. The means are subtracted first
 * and the scale comes after, so that the terms neither cancel more than they must nor leave float32's range.
 *
 * <p>{@code x}, {@code dy} and {@code dx} are each a {@code float[]} or a {@link java.lang.foreign.MemorySegment}; dx
 * may be x or dy; positions in them count floats. Bytes moved: 12 a value.
 */
interface InputGradient {

    /**
     * The gradient of rows of a matrix.
     *
     * @param xStart position of the first row's column 0 in x; so {@code dyStart}, {@code dxStart}
     * @param rows rows
     * @param width distance between rows
     * @param from first column
     * @param to end of the columns
     * @param cached whether the three tensors stay in a core's own caches: a hint for speed, which changes no bit
     */
    void rows(
            Object x,
            long xStart,
            Object dy,
            long dyStart,
            Object dx,
            long dxStart,
            long rows,
            long width,
            int from,
            int to,
            boolean cached,
            Coefficients coefficients);

    /**
     * The gradient of the runs of the channels {@code from} to {@code to} of some images.
     *
     * @param xStart position of the first image's run of channel {@code from} in x; so {@code dyStart}, {@code dxStart}
     * @param images images
     * @param imageApart distance between images
     * @param channelApart distance between channels
     * @param length values of a run, ≤ {@link Blocks#MAPPED_RUN}
     */
    void runs(
            Object x,
            long xStart,
            Object dy,
            long dyStart,
            Object dx,
            long dxStart,
            long images,
            long imageApart,
            int from,
            int to,
            long channelApart,
            int length,
            Coefficients coefficients);
}

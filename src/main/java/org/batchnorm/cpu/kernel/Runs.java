package org.batchnorm.cpu.kernel;

/**
 * Runs of the same length, of some channels of some images, for one call of a kernel. Positions count values from the
 * beginning of the tensors. Each participant of an operation has one of these and sets it anew for every call.
 */
public final class Runs {
    /** The position of the first image's run of channel {@link #from}. */
    public long first;

    /** Images to take. */
    public long images;

    /** The distance between images. */
    public long imageApart;

    /** The first channel. */
    public int from;

    /** The end of the channels. */
    public int to;

    /** The distance between channels. */
    public long channelApart;

    /** Values of a run. */
    public int length;

    /** Scratch of the thread. */
    public final Tile tile;

    /** Runs whose kernels work with a thread's scratch. */
    public Runs(Tile tile) {
        this.tile = tile;
    }

    /** Sets which channels are taken. */
    public Runs channels(int newFrom, int newTo, long newChannelApart) {
        from = newFrom;
        to = newTo;
        channelApart = newChannelApart;
        return this;
    }

    /** Sets which images are taken. */
    public Runs images(long newImages, long newImageApart) {
        images = newImages;
        imageApart = newImageApart;
        return this;
    }

    /** Sets which values are taken. */
    public Runs values(long newFirst, int newLength) {
        first = newFirst;
        length = newLength;
        return this;
    }
}

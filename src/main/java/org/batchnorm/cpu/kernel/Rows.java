package org.batchnorm.cpu.kernel;

/**
 * Rows of a matrix, for one call of a kernel. Positions count values from the beginning of the tensors. Each
 * participant of an operation has one of these and sets it anew for every call.
 */
public final class Rows {
    /** The position of column 0 in the first row. */
    public long first;

    /** Rows to take, from each stream. */
    public long count;

    /** The distance between rows. */
    public int width;

    /** Streams, which are places from which rows are read at once, for a reduction: 1, or {@link Reduction#streams}. */
    public int streams;

    /** The distance between the streams. */
    public long apart;

    /** The first column. */
    public int from;

    /** The end of the columns. */
    public int to;

    /**
     * Whether all tensors stay in the caches that count for an elementwise kernel: the first level for one input, a
     * core's own for two. A hint for speed, which changes no bit.
     */
    public boolean cached;

    /** Whether an elementwise kernel had better take four rows at once than two: a hint for speed, too. */
    public boolean fourAtOnce;

    /** Scratch of the thread. */
    public final Tile tile;

    /** Rows whose kernels work with a thread's scratch. */
    public Rows(Tile tile) {
        this.tile = tile;
    }

    /** Sets which columns are taken. */
    public Rows columns(int newWidth, int newFrom, int newTo) {
        width = newWidth;
        from = newFrom;
        to = newTo;
        return this;
    }

    /** Sets which rows are taken, one after the other. */
    public Rows rows(long newFirst, long newCount) {
        first = newFirst;
        count = newCount;
        streams = 1;
        apart = 0;
        return this;
    }

    /** Sets from how many places at once rows are taken. */
    public Rows streams(int newStreams, long newApart) {
        streams = newStreams;
        apart = newApart;
        return this;
    }
}

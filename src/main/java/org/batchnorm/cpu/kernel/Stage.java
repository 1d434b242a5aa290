package org.batchnorm.cpu.kernel;

import org.batchnorm.cpu.cut.CutPolicy;
import org.batchnorm.data.ElementType;
import org.batchnorm.spi.Activation;

/**
 * Scratch memory of one thread, where pieces of tensors stand as float32 while a kernel works on them: some lines of
 * neighbouring values, one behind the other. The output has the place of x. Who stages a piece sets its lines, loads
 * it, has a kernel work on it, and stores it.
 */
public final class Stage {
    /** The most columns of a piece of rows. */
    public static final int COLUMNS = 512;

    /** The values of a piece of neighbouring ones; for a reduction of runs, whose bits depend on it. */
    public static final int PIECE = 1024;

    /**
     * The values of other pieces, unless another reason makes them larger: so many that the work for each piece counts
     * little, so few that they stay in the first-level cache.
     */
    public static final int LARGE_PIECE = 4096;

    /** Keeps the lines of such a piece apart, so that they do not compete for the same places in a cache. */
    private static final int GAP = 16;

    /** The most values of a piece, with its gaps: those of a strip, and those of the longest runs. */
    private static final int SIZE = CutPolicy.STRIP_ROWS * (COLUMNS + GAP);

    /** The pieces, for the kernel. */
    public final Operands operands = new Operands();

    /** The rows of the kernel's call. */
    public final Rows rows;

    /** The runs of the kernel's call. */
    public final Runs runs;

    private final Rows sampled = new Rows(new Tile());
    private final float[] x = new float[SIZE];
    private final float[] second = new float[SIZE];
    private final short[] bits = new short[SIZE];
    private final int[] scratch = new int[SIZE];
    private float[] kept = {};
    private boolean inputLifted;
    private Conversions conversions = new Conversions();
    private int length;
    private int stride;
    private long apart;

    /** A stage for kernels that work with a thread's scratch. */
    Stage(Tile tile) {
        rows = new Rows(tile);
        runs = new Runs(tile);
        rows.fourAtOnce = true;
    }

    /** Takes an operation's operands. */
    public Stage of(Operands all, Conversions newConversions) {
        conversions = newConversions;
        operands.stage(all, x, second);
        inputLifted = false;
        return this;
    }

    /**
     * Sets the lines of a piece: parts of rows.
     *
     * @param unit the rows of a piece are a multiple of it, or the last
     * @param piece the values of a piece, more or less
     * @return how many rows of each stream a piece has
     */
    public int columns(Rows all, int from, int to, int unit, int piece) {
        length = to - from;
        // A kernel may take whole rows together, as it would of the tensors; others must not seem whole.
        stride = length == all.width ? length : length + GAP;
        apart = all.width;
        rows.columns(stride, from, to);
        return Math.max(piece / (all.streams * stride) / unit, 1) * unit;
    }

    /**
     * Loads rows of every stream, one stream behind the other.
     *
     * @param first the number of the first row in its stream
     * @param count rows of each
     */
    public Rows loadRows(Operands all, Rows of, long first, int count) {
        long position = of.first + first * of.width + rows.from;
        for (int k = 0; k < of.streams; k++) {
            load(all, position + k * of.apart, k * count * stride, count);
        }
        // Column numbers are those of the tensors, and the first of them stands at 0.
        return rows.rows(-rows.from, count).streams(of.streams, (long) count * stride);
    }

    /**
     * Loads rows that lie anywhere.
     *
     * @param positions those of their first columns, from the one at {@code position}
     */
    public Rows loadSamples(Operands all, long position, long[] positions, int count) {
        for (int i = 0; i < count; i++) {
            loadLine(all, position + positions[i], i * stride, length);
            sampled.tile.positions[i] = (long) i * stride;
        }
        return sampled.columns(stride, rows.from, rows.to).rows(-rows.from, count);
    }

    /**
     * Sets the lines of a piece: runs of neighbouring channels that lie together.
     *
     * @param all how far the images lie apart
     * @param newLength the length of each run
     */
    public void channels(Runs all, int from, int to, int newLength) {
        length = (to - from) * newLength;
        stride = length;
        apart = all.imageApart;
        runs.channels(from, to, newLength).values(0, newLength);
    }

    /**
     * Has the kernel work behind the activation before batch norm, which whoever stages applies to x: kernels with
     * activations both before and after it would be more than the compiler inlines.
     */
    public void liftInput() {
        operands.activate(Activation.NONE, operands.output);
        inputLifted = true;
    }

    /** Whether it does. */
    public boolean isInputLifted() {
        return inputLifted;
    }

    /** The values of a piece of so many lines, with the gaps between them. */
    public int values(int lines) {
        return lines * stride;
    }

    /** Keeps a copy of the piece of x, so many lines, for when the output has its place. */
    public void keepX(int lines) {
        if (kept.length == 0) {
            kept = new float[SIZE];
        }
        System.arraycopy(x, 0, kept, 0, values(lines));
    }

    /** That copy. */
    public float[] keptX() {
        return kept;
    }

    /** Loads neighbouring values, which are the one line of their piece. */
    public Operands loadValues(Operands all, long position, int values) {
        length = values;
        stride = values;
        apart = values;
        load(all, position, 0, 1);
        return operands;
    }

    /** Loads the runs of some images, of which the first stands at a position in the tensors. */
    public Runs loadRuns(Operands all, long position, int images) {
        load(all, position, 0, images);
        return runs.images(images, stride);
    }

    /** How many neighbouring channels a piece of so many values may have, of so many images. */
    public static int channels(Runs all, long images, int piece) {
        boolean together = all.channelApart == all.length;
        return together ? Math.clamp(piece / (images * all.length), 1, Integer.MAX_VALUE) : 1;
    }

    private void load(Operands all, long position, int at, int lines) {
        boolean together = isTogether();
        int each = together ? length * lines : length;
        for (int i = 0; i < (together ? 1 : lines); i++) {
            loadLine(all, position + i * apart, at + i * stride, each);
        }
    }

    private void loadLine(Operands all, long position, int at, int values) {
        load(all.x, all.xType(), all.xStart + position, x, at, values);
        if (all.hasSecond()) {
            load(all.second, all.secondType(), all.secondStart + position, second, at, values);
        }
    }

    /** Stores the result in the output. */
    public void store(Operands all, long position, int lines) {
        boolean together = isTogether();
        int each = together ? length * lines : length;
        for (int i = 0; i < (together ? 1 : lines); i++) {
            store(i * stride, all.out, all.outType(), all.outStart + position + i * apart, each);
        }
    }

    /** Whether the lines lie together in the tensors as on the stage, so that they are one. */
    private boolean isTogether() {
        return apart == length && stride == length;
    }

    private void load(Object memory, ElementType type, long position, float[] into, int at, int values) {
        if (!type.is16Bit()) {
            Memory.read(memory, position, into, at, values);
        } else if (memory instanceof short[] array) {
            conversions.widen(type, array, (int) position, into, at, values);
        } else {
            Memory.read(memory, position, bits, values);
            conversions.widen(type, bits, 0, into, at, values);
        }
    }

    private void store(int at, Object memory, ElementType type, long position, int values) {
        if (!type.is16Bit()) {
            Memory.write(x, at, memory, position, values);
        } else if (memory instanceof short[] array) {
            conversions.narrow(type, x, at, array, (int) position, values, scratch);
        } else {
            conversions.narrow(type, x, at, bits, 0, values, scratch);
            Memory.write(bits, memory, position, values);
        }
    }
}

package org.batchnorm.cpu.kernel;

/**
 * A thread's copy of a piece of the tensors, small enough for the first-level cache: the kernels of batch normalization
 * work on it as they do on whole tensors, and what a {@link Fusion} does beside them costs no pass over memory.
 */
public final class Stage {
    /** The values of a piece. */
    static final int SIZE = 8192;

    /** The length of the arrays: longer, so that none begins near a multiple of 4 KB from where another begins. */
    private static final int LENGTH = SIZE + 188;

    /** The columns of a piece of rows: few, so that it has several rows. */
    private static final int COLUMNS = 128;

    /** The piece of input(x), then of the gradient by it. */
    private final float[] x = new float[LENGTH];

    private final float[] dy = new float[LENGTH];
    private final float[] z = new float[LENGTH];

    /** Of the piece, for a kernel of x alone. */
    private final Operands one = new Operands();

    /** Of the piece, for a kernel of x and dy. */
    private final Operands two = new Operands();

    /** Of the piece, for a kernel of dy alone. */
    private final Operands gradient = new Operands();

    /** Of a piece where it lies, with the thread's copies of what becomes of it. */
    private final Operands direct = new Operands();

    /** The rows of the piece. */
    final Rows rows;

    /** The runs of the piece. */
    final Runs runs;

    /** Where the rows or runs of the piece come from: the first one, the distance between them, and their number. */
    private long first;

    private long apart;
    private int count;
    private int length;

    Stage(Tile tile) {
        rows = new Rows(tile);
        runs = new Runs(tile);
        one.set(x, null, z);
        two.set(x, dy, z);
        gradient.set(dy, null, z);
    }

    /**
     * Whether a piece can be worked on where it lies, and only what becomes of it before batch normalization is copied:
     * all tensors are in arrays. Rows must not be longer than a piece.
     */
    static boolean isDirect(Fusion fusion, int width) {
        return fusion.tensors.inArrays() && width <= SIZE;
    }

    /** Takes rows where they lie, and sets the operands for a kernel on them. */
    Operands directRows(Fusion fusion, Operands o, Rows r, long from, int newCount) {
        rows.columns(r.width, r.from, r.to).rows(r.first + from * r.width, newCount);
        rows.cached = false;
        rows.fourAtOnce = r.fourAtOnce;
        take(rows.first + r.from, r.width, newCount, r.to - r.from);
        activate(fusion, r.from);
        if (fusion.needsForward()) {
            fusion.kernels().activationLoops().gradients(direct, fusion, rows, dy);
            direct.second(dy, -rows.first);
        }
        return ofMap(o);
    }

    /** Takes a run where it lies, and sets the operands for a kernel on it. */
    Operands directRun(Fusion fusion, Operands o, long at, int newLength, int channel) {
        runs.channels(channel, channel + 1, 0).images(1, 0).values(at, newLength);
        take(at, newLength, 1, newLength);
        activate(fusion, 0);
        if (fusion.needsForward()) {
            fusion.kernels().activationLoops().gradients(direct, fusion, runs, dy);
            direct.second(dy, -at);
        }
        return ofMap(o);
    }

    /** Begins with the tensors as they are; of x, input(x) if that is another. */
    private void activate(Fusion fusion, int column) {
        Operands all = fusion.tensors;
        direct.set(all);
        if (!fusion.input().isNone()) {
            ActivationLoops loops = fusion.kernels().activationLoops();
            float[] from = (float[]) all.x;
            int at = (int) (all.xStart + first);
            for (int i = 0; i < count; i++) {
                int row = i * (int) apart;
                System.arraycopy(from, at + row, x, column + row, length);
                loops.apply(fusion.input(), x, column + row, length);
            }
            direct.x(x, column - first);
        }
    }

    /** With given statistics the map has one input, which is dy. */
    private Operands ofMap(Operands o) {
        if (direct.hasSecond() && !o.hasSecond()) {
            direct.x((float[]) direct.second, direct.secondStart);
            direct.second(null, 0);
        }
        return direct;
    }

    /** What comes after a map has written the rows or the run. */
    void finishDirect(Fusion fusion, int column) {
        Operands all = fusion.tensors;
        float[] out = (float[]) all.out;
        int at = (int) (all.outStart + first);
        ActivationLoops loops = fusion.kernels().activationLoops();
        for (int i = 0; i < count; i++) {
            int row = i * (int) apart;
            if (!all.hasSecond() && !fusion.output().isNone()) {
                loops.apply(fusion.output(), out, at + row, length);
            } else if (all.hasSecond() && !fusion.input().isNone()) {
                loops.applyDerivative(fusion.input(), x, column + row, out, at + row, length);
            }
        }
    }

    /** How many columns a piece takes of so many. */
    static int columnsOf(int columns) {
        return Math.min(columns, COLUMNS);
    }

    /** How many rows or runs of a length a piece takes at most. */
    static int countOf(int length) {
        return Math.max(1, SIZE / length);
    }

    /** Takes rows: the columns that follow {@code from}, whose first value lies at {@code newFirst}. */
    Stage rows(long newFirst, long newApart, int newCount, int from, int columns) {
        take(newFirst, newApart, newCount, columns);
        rows.cached = true;
        rows.columns(columns, from, from + columns).rows(0, newCount);
        startAt(-from);
        return this;
    }

    /** Takes runs of one channel, or parts of them. */
    Stage runs(long newFirst, long newApart, int newCount, int newLength, int channel) {
        take(newFirst, newApart, newCount, newLength);
        runs.channels(channel, channel + 1, 0).images(newCount, newLength).values(0, newLength);
        startAt(0);
        return this;
    }

    private void take(long newFirst, long newApart, int newCount, int newLength) {
        first = newFirst;
        apart = newApart;
        count = newCount;
        length = newLength;
    }

    private void startAt(long start) {
        one.startAt(start);
        two.startAt(start);
        gradient.startAt(start);
    }

    /**
     * Reads the piece: input(x), and dy by the derivative of the output activation.
     *
     * @param byRows whether it is one of rows; else of runs
     */
    void read(Fusion fusion, boolean byRows) {
        Operands all = fusion.tensors;
        read(all.x, all.xStart, x);
        if (!fusion.input().isNone()) {
            fusion.kernels().activationLoops().apply(fusion.input(), x, 0, count * length);
        }
        if (!all.hasSecond()) {
            return;
        }
        read(all.second, all.secondStart, dy);
        if (fusion.needsForward()) {
            Elementwise transform = fusion.kernels().elementwise(one);
            Coefficients forward = fusion.forwardCoefficients();
            if (byRows) {
                transform.rows(one, rows, forward);
            } else {
                transform.runs(one, runs, forward);
            }
            fusion.kernels().activationLoops().applyDerivative(fusion.output(), z, 0, dy, 0, count * length);
        }
    }

    private void read(Object memory, long start, float[] into) {
        if (apart == length) {
            Memory.read(memory, start + first, into, 0, count * length);
            return;
        }
        for (int i = 0; i < count; i++) {
            Memory.read(memory, start + first + i * apart, into, i * length, length);
        }
    }

    /** The tensors of the piece for a reduction, or a map, of a and dy, or where there is no dy of a alone. */
    Operands operands(boolean second) {
        return second ? two : one;
    }

    /** The tensors of the piece for a map of dy alone. */
    Operands gradientAlone() {
        return gradient;
    }

    /** Writes what a map has made of the piece: y, or the gradient by input(x). */
    void write(Fusion fusion) {
        Operands all = fusion.tensors;
        if (all.hasSecond()) {
            if (!fusion.input().isNone()) {
                fusion.kernels().activationLoops().applyDerivative(fusion.input(), x, 0, z, 0, count * length);
            }
        } else {
            fusion.kernels().activationLoops().apply(fusion.output(), z, 0, count * length);
        }
        if (apart == length) {
            Memory.write(z, 0, all.out, all.outStart + first, count * length);
            return;
        }
        for (int i = 0; i < count; i++) {
            Memory.write(z, i * length, all.out, all.outStart + first + i * apart, length);
        }
    }
}

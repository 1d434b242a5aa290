package org.batchnorm.cpu.kernel;

import java.lang.foreign.MemorySegment;
import org.batchnorm.data.Batch;
import org.jspecify.annotations.Nullable;

/**
 * The tensors that a kernel works on, as it sees them: all in {@code float[]}s, or all in {@link MemorySegment}s. Each
 * is an object and the position of the tensor's first value in it; positions count values.
 */
public final class Operands {
    private static final Object NOTHING = new Object();

    /** The first input: x; in the gradient with given statistics, which needs no x, it is dy. */
    public Object x = NOTHING;

    /** Where x begins. */
    public long xStart;

    /** The second input, dy, if there is one. */
    public Object second = NOTHING;

    /** Where the second input begins. */
    public long secondStart;

    /** The output, if there is one. */
    public Object out = NOTHING;

    /** Where the output begins. */
    public long outStart;

    /** What is done to the values before kernels work on them; null: nothing. */
    public @Nullable Fusion fusion;

    private boolean inArrays;
    private boolean inNative;
    private boolean hasSecond;

    /** Takes the tensors of an operation; null where it has none. */
    public void set(Batch newX, @Nullable Batch newSecond, @Nullable Batch newOut) {
        fusion = null;
        inArrays = newX.isArray() && (newSecond == null || newSecond.isArray()) && (newOut == null || newOut.isArray());
        hasSecond = newSecond != null;
        x = memory(newX);
        xStart = start(newX);
        if (newSecond != null) {
            second = memory(newSecond);
            secondStart = start(newSecond);
        }
        if (newOut != null) {
            out = memory(newOut);
            outStart = start(newOut);
        }
        inNative = Memory.isNative(x)
                && (newSecond == null || Memory.isNative(second))
                && (newOut == null || Memory.isNative(out));
    }

    /** Takes arrays; null where there is none. */
    void set(float[] newX, float @Nullable [] newSecond, float[] newOut) {
        inArrays = true;
        inNative = false;
        hasSecond = newSecond != null;
        x = newX;
        if (newSecond != null) {
            second = newSecond;
        }
        out = newOut;
    }

    /** Takes what another has in arrays. */
    void set(Operands other) {
        set((float[]) other.x, other.hasSecond ? (float[]) other.second : null, (float[]) other.out);
        xStart = other.xStart;
        secondStart = other.secondStart;
        outStart = other.outStart;
    }

    /** Takes another x. */
    void x(float[] newX, long start) {
        x = newX;
        xStart = start;
    }

    /** Takes another second input; null: none. */
    void second(float @Nullable [] newSecond, long start) {
        hasSecond = newSecond != null;
        if (newSecond != null) {
            second = newSecond;
            secondStart = start;
        }
    }

    /** Sets where all tensors begin: before their arrays, where the first column that these have is not the first. */
    void startAt(long start) {
        xStart = start;
        secondStart = start;
        outStart = start;
    }

    private Object memory(Batch batch) {
        return inArrays ? batch.array() : batch.segment();
    }

    private long start(Batch batch) {
        return inArrays ? batch.start() : 0;
    }

    /** Lets go of the caller's memory; until tensors are set again, nobody may ask for them. */
    @SuppressWarnings("NullAway")
    public void clear() {
        // Null, not a placeholder: the garbage collector need not keep track of null.
        x = null;
        second = null;
        out = null;
    }

    /** Whether all lie in arrays; else all are segments. */
    public boolean inArrays() {
        return inArrays;
    }

    /**
     * Whether all are segments of native memory. Else, where they are not arrays, some are mapped files, arrays of
     * another type or such as may only be read, or arrays beside native memory.
     */
    public boolean inNative() {
        return inNative;
    }

    /** Whether there is a second input. */
    public boolean hasSecond() {
        return hasSecond;
    }

    /** Whether a thread may use all of them; some segments belong to one thread alone. */
    public boolean isAccessibleBy(Thread thread) {
        return inArrays || (isAccessible(x, thread) && isAccessible(second, thread) && isAccessible(out, thread));
    }

    private static boolean isAccessible(@Nullable Object memory, Thread thread) {
        return !(memory instanceof MemorySegment segment) || segment.isAccessibleBy(thread);
    }

    /** One value of x. */
    public float x(long position) {
        return Memory.get(x, xStart + position);
    }

    /** One value of the second input. */
    public float second(long position) {
        return Memory.get(second, secondStart + position);
    }

    /** Writes one value of the output. */
    public void out(long position, float value) {
        Memory.set(out, outStart + position, value);
    }
}

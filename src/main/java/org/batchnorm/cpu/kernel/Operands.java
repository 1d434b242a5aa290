package org.batchnorm.cpu.kernel;

import java.lang.foreign.MemorySegment;
import java.util.Objects;
import org.batchnorm.data.Batch;
import org.batchnorm.data.ElementType;
import org.batchnorm.spi.Activation;
import org.jspecify.annotations.Nullable;

/**
 * The tensors that a kernel works on, as it sees them: all in {@code float[]}s, or all in {@link MemorySegment}s. Each
 * is an object and the position of the tensor's first value in it; positions count values.
 *
 * <p>Those that are {@link #isStaged() staged} no kernel sees: its {@link Stage} has pieces of them in
 * {@code float[]}s. Each of them is in an array of its own type or in a segment.
 */
public final class Operands {
    private static final Object NOTHING = new Object();
    private static final Coefficients NO_COEFFICIENTS = new Coefficients();

    /** So many values are sooner written one by one than copied. */
    private static final int FEW = 8;

    /** The first input: x, or y in its place; in the gradient with given statistics, which needs no x, it is dy. */
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

    /** The activation before batch norm: kernels work on {@code input(x)}. */
    public Activation input = Activation.NONE;

    /**
     * The activation after it. A kernel of x alone applies it to what it writes; one of x and dy works on {@code dy ·
     * output′(z)}, with z = BN(input(x)) of the {@link #forward}.
     */
    public Activation output = Activation.NONE;

    /** The coefficients of the forward's {@code transform} per column or channel, where z is needed. */
    public Coefficients forward = NO_COEFFICIENTS;

    private Coefficients forwardOfFeatures = NO_COEFFICIENTS;

    private boolean hasResidual;
    private boolean undoesOutput;

    private @Nullable Kernels kernels;
    private ElementType xType = ElementType.FLOAT32;
    private ElementType secondType = ElementType.FLOAT32;
    private ElementType outType = ElementType.FLOAT32;
    private boolean staged;
    private boolean bfloat16;
    private boolean inArrays;
    private boolean inNative;
    private boolean hasSecond;

    /** Takes the tensors of an operation; null where it has none. */
    public void set(Batch newX, @Nullable Batch newSecond, @Nullable Batch newOut) {
        activate(Activation.NONE, Activation.NONE);
        xType = newX.type();
        secondType = newSecond == null ? xType : newSecond.type();
        outType = newOut == null ? xType : newOut.type();
        staged = xType.is16Bit() || secondType.is16Bit() || outType.is16Bit();
        bfloat16 = xType == secondType && xType == outType && xType == ElementType.BFLOAT16;
        hasResidual = false;
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

    /** Takes arrays of a thread, in which the pieces of {@code all} will stand, the output in the place of x. */
    void stage(Operands all, float[] pieceOfX, float[] pieceOfSecond) {
        hasSecond = all.hasSecond;
        hasResidual = all.hasResidual;
        inArrays = true;
        x = pieceOfX;
        second = pieceOfSecond;
        out = pieceOfX;
        activate(all.input, all.output);
        undoesOutput = all.undoesOutput;
        forward = all.forward;
        forwardOfFeatures = all.forwardOfFeatures;
        kernels = all.kernels;
    }

    /** Takes the tensors of a map to y; the second input is the residual, if there is one. */
    public void setForward(Batch newX, @Nullable Batch newResidual, Batch newY) {
        set(newX, newResidual, newY);
        hasResidual = newResidual != null;
    }

    /** Takes the activations of an operation on x, whose tensors have been set. */
    public void activate(Activation newInput, Activation newOutput) {
        input = newInput;
        output = newOutput;
        undoesOutput = false;
    }

    /** Takes the activation of a gradient that has y in the place of x: kernels work on z, where it is undone. */
    public void undo(Activation newOutput) {
        activate(Activation.NONE, newOutput);
        undoesOutput = !newOutput.isNone();
        forwardOfFeatures = NO_COEFFICIENTS;
    }

    /**
     * Those of an operation on x and dy.
     *
     * @param ofFeatures the coefficients of the forward's {@code transform}
     * @param ofColumns the same per column or channel
     * @param newKernels those that the forward had
     */
    public void activate(
            Activation newInput,
            Activation newOutput,
            Coefficients ofFeatures,
            Coefficients ofColumns,
            Kernels newKernels) {
        activate(newInput, newOutput);
        forwardOfFeatures = ofFeatures;
        forward = ofColumns;
        kernels = newKernels;
    }

    private Object memory(Batch batch) {
        return isSeenAsArray(batch) ? array(batch) : batch.segment();
    }

    private static Object array(Batch batch) {
        return batch.type().is16Bit() ? batch.shorts() : batch.array();
    }

    private long start(Batch batch) {
        return isSeenAsArray(batch) ? batch.start() : 0;
    }

    private boolean isSeenAsArray(Batch batch) {
        return (staged && !bfloat16) ? batch.isArray() : inArrays;
    }

    /** Lets go of the caller's memory; until tensors are set again, nobody may ask for them. */
    @SuppressWarnings("NullAway")
    public void clear() {
        // Null, not a placeholder: the garbage collector need not keep track of null.
        x = null;
        second = null;
        out = null;
    }

    /**
     * Whether kernels see pieces of the tensors, as float32 in arrays, not the tensors: because one of them is of
     * another type.
     */
    public boolean isStaged() {
        return staged;
    }

    /** Whether kernels see arrays; else all are segments. */
    public boolean inArrays() {
        return inArrays || staged;
    }

    /** Whether all are of {@link ElementType#BFLOAT16}: then all are arrays, or all segments, as with float32. */
    public boolean isBfloat16() {
        return bfloat16;
    }

    /** Whether the tensors themselves are arrays, be they staged or not. */
    public boolean inOwnArrays() {
        return inArrays;
    }

    /**
     * Whether all are segments of native memory. Else, where they are not arrays, some are mapped files, arrays of
     * another type or such as may only be read, or arrays beside native memory.
     */
    public boolean inNative() {
        return inNative;
    }

    /** Whether all are arrays of float32, of which kernels see the values as they are: without activations. */
    public boolean isPlain() {
        return inArrays && !staged && input.isNone() && output.isNone();
    }

    /** The type of x. */
    ElementType xType() {
        return xType;
    }

    /** The type of the second input. */
    ElementType secondType() {
        return secondType;
    }

    /** The type of the output. */
    ElementType outType() {
        return outType;
    }

    /** Whether there are activations both before and after batch norm. */
    public boolean hasBothActivations() {
        return !input.isNone() && !output.isNone();
    }

    /** Whether y stands in the place of x, so that kernels work on {@code z = output⁻¹(y)}, not on input(x). */
    public boolean undoesOutput() {
        return undoesOutput;
    }

    /** Whether z is made of x once more, with the coefficients of the {@link #forward}. */
    public boolean needsForward() {
        return hasSecond && !hasResidual && !output.isNone() && !undoesOutput;
    }

    /** The activation that is applied to x, or undone. */
    public Activation ofX() {
        return undoesOutput ? output : input;
    }

    /** Whether there is a second input. */
    public boolean hasSecond() {
        return hasSecond;
    }

    /** Whether the second input is a residual, which is added to BN(input(x)) before the activation of the output. */
    public boolean hasResidual() {
        return hasResidual;
    }

    /** Whether a thread may use all of them; some segments belong to one thread alone. */
    public boolean isAccessibleBy(Thread thread) {
        return isAccessible(x, thread) && isAccessible(second, thread) && isAccessible(out, thread);
    }

    private static boolean isAccessible(@Nullable Object memory, Thread thread) {
        return !(memory instanceof MemorySegment segment) || segment.isAccessibleBy(thread);
    }

    /** Whether there may be a feature of which z is needed and float32 does not hold what makes it: {@link Wide}. */
    public boolean hasWideForward() {
        return !output.isNone() && forwardOfFeatures.haveWide;
    }

    /** Whether a feature is one. Its {@link #gradient} means nothing. */
    public boolean isForwardWide(int feature) {
        return hasWideForward() && Float.isNaN(forwardOfFeatures.scale[feature]);
    }

    /** One value of {@code input(x)}, or of z. */
    public float value(long position) {
        if (undoesOutput) {
            return output.undo(x(position));
        }
        return input.isNone() ? x(position) : input.of(x(position));
    }

    /** One value of {@code dy · output′(z)}, of a feature. */
    public float gradient(long position, int feature) {
        return gradient(position, forwardOfFeatures, feature);
    }

    /** The same of a column or channel. */
    public float gradientOfColumn(long position, int column) {
        return gradient(position, forward, column);
    }

    private float gradient(long position, Coefficients f, int index) {
        float dy = second(position);
        if (output.isNone()) {
            return dy;
        }
        if (undoesOutput) {
            return output.gradient(dy, x(position));
        }
        float d = value(position) - f.centre[index];
        return output.gradient(dy, Objects.requireNonNull(kernels).transform(d, f.scale[index], f.offset[index]));
    }

    /** One value of x. */
    public float x(long position) {
        return staged ? Memory.get(x, xType, xStart + position) : Memory.get(x, xStart + position);
    }

    /** One value of the second input. */
    public float second(long position) {
        return staged
                ? Memory.get(second, secondType, secondStart + position)
                : Memory.get(second, secondStart + position);
    }

    /** Writes neighbouring values of the output, which stand in an array from {@code from} on. */
    public void out(long position, float[] values, int from, int length) {
        if (staged || length < FEW) {
            for (int i = 0; i < length; i++) {
                out(position + i, values[from + i]);
            }
        } else {
            Memory.write(values, from, out, outStart + position, length);
        }
    }

    /** Writes one value of the output. */
    public void out(long position, float value) {
        if (staged) {
            Memory.set(out, outType, outStart + position, value);
        } else {
            Memory.set(out, outStart + position, value);
        }
    }
}

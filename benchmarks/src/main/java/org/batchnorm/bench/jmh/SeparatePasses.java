package org.batchnorm.bench.jmh;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.concurrent.ForkJoinPool;
import java.util.stream.IntStream;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;
import org.batchnorm.bench.workload.Fusion;
import org.batchnorm.data.Batch;
import org.batchnorm.spi.Activation;
import org.jspecify.annotations.Nullable;

/**
 * What a caller does who fuses nothing: activations and the addition of a residual in passes over memory of their own,
 * of float32, with the Vector API and as many threads as batch normalization has. The addition and the activation after
 * it are one pass, and activations of outputs are in place; PyTorch's calls pass over memory once more.
 */
final class SeparatePasses implements AutoCloseable {
    private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
    private static final int LANES = SPECIES.length();
    private static final ByteOrder ORDER = ByteOrder.nativeOrder();
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT_UNALIGNED;

    /** Fewer values than this are not worth waking another thread for. */
    private static final long WORTH_A_THREAD = 1 << 15;

    private final Activation before;
    private final Activation after;
    private final @Nullable Batch residual;
    private final Batch activated;
    private final Batch gradient;
    private final int threads;
    private final ForkJoinPool pool;

    /**
     * For one fusion.
     *
     * @param residual what is added; null: nothing
     * @param activated written to by {@link #input}
     * @param gradient written to by {@link #gradient}
     */
    SeparatePasses(Fusion fusion, @Nullable Batch residual, Batch activated, Batch gradient, int threads) {
        this.before = fusion.activations().input();
        this.after = fusion.activations().output();
        this.residual = residual;
        this.activated = activated;
        this.gradient = gradient;
        this.threads = threads;
        this.pool = new ForkJoinPool(threads);
    }

    /** What batch normalization normalizes: the activation of x, or x. */
    Batch input(Batch x) {
        if (before.isNone()) {
            return x;
        }
        MemorySegment in = x.segment();
        MemorySegment out = activated.segment();
        inParts(out, (from, to) -> activate(in, out, from, to, before.negativeSlope()));
        return activated;
    }

    /** Makes y of what batch normalization gave: {@code y = activation(y + residual)}. */
    void output(Batch y) {
        MemorySegment values = y.segment();
        if (residual != null) {
            MemorySegment added = residual.segment();
            inParts(values, (from, to) -> addAndActivate(values, added, from, to, after.negativeSlope()));
        } else if (!after.isNone()) {
            inParts(values, (from, to) -> activate(values, values, from, to, after.negativeSlope()));
        }
    }

    /** The gradient by what batch normalization gave, and by the residual: {@code dy · activation′(y)}, or dy. */
    Batch gradient(Batch y, Batch dy) {
        if (after.isNone()) {
            return dy;
        }
        differentiate(y, dy, gradient, after);
        return gradient;
    }

    /** Makes the gradient by x of that by the activation of it. */
    void inputGradient(Batch x, Batch dx) {
        if (!before.isNone()) {
            differentiate(x, dx, dx, before);
        }
    }

    private void differentiate(Batch values, Batch gradients, Batch result, Activation activation) {
        MemorySegment v = values.segment();
        MemorySegment in = gradients.segment();
        MemorySegment out = result.segment();
        inParts(out, (from, to) -> differentiate(v, in, out, from, to, activation.negativeSlope()));
    }

    private void inParts(MemorySegment all, Part part) {
        long length = all.byteSize() / Float.BYTES;
        int parts = Math.clamp(length / WORTH_A_THREAD, 1, threads);
        if (parts == 1) {
            part.run(0, length);
            return;
        }
        long each = (length / parts + LANES - 1) / LANES * LANES;
        pool.submit(() -> IntStream.range(0, parts)
                        .parallel()
                        .forEach(i -> part.run(Math.min(length, i * each), Math.min(length, (i + 1) * each))))
                .join();
    }

    private static void activate(MemorySegment in, MemorySegment out, long from, long to, float slope) {
        long i = from;
        for (; i <= to - LANES; i += LANES) {
            FloatVector v = FloatVector.fromMemorySegment(SPECIES, in, i * Float.BYTES, ORDER);
            v.mul(slope, negative(v)).intoMemorySegment(out, i * Float.BYTES, ORDER);
        }
        for (; i < to; i++) {
            float v = in.get(FLOAT, i * Float.BYTES);
            out.set(FLOAT, i * Float.BYTES, v > 0 ? v : slope * v);
        }
    }

    private static void addAndActivate(MemorySegment y, MemorySegment residual, long from, long to, float slope) {
        long i = from;
        for (; i <= to - LANES; i += LANES) {
            FloatVector v = FloatVector.fromMemorySegment(SPECIES, y, i * Float.BYTES, ORDER)
                    .add(FloatVector.fromMemorySegment(SPECIES, residual, i * Float.BYTES, ORDER));
            v.mul(slope, negative(v)).intoMemorySegment(y, i * Float.BYTES, ORDER);
        }
        for (; i < to; i++) {
            float v = y.get(FLOAT, i * Float.BYTES) + residual.get(FLOAT, i * Float.BYTES);
            y.set(FLOAT, i * Float.BYTES, v > 0 ? v : slope * v);
        }
    }

    private static void differentiate(
            MemorySegment values, MemorySegment in, MemorySegment out, long from, long to, float slope) {
        long i = from;
        for (; i <= to - LANES; i += LANES) {
            FloatVector v = FloatVector.fromMemorySegment(SPECIES, values, i * Float.BYTES, ORDER);
            FloatVector gradient = FloatVector.fromMemorySegment(SPECIES, in, i * Float.BYTES, ORDER);
            gradient.mul(slope, negative(v)).intoMemorySegment(out, i * Float.BYTES, ORDER);
        }
        for (; i < to; i++) {
            float gradient = in.get(FLOAT, i * Float.BYTES);
            out.set(FLOAT, i * Float.BYTES, values.get(FLOAT, i * Float.BYTES) > 0 ? gradient : slope * gradient);
        }
    }

    private static VectorMask<Float> negative(FloatVector v) {
        return v.compare(VectorOperators.LE, 0);
    }

    @Override
    public void close() {
        pool.close();
    }

    /** A pass over the values from one to another. */
    private interface Part {
        void run(long from, long to);
    }
}

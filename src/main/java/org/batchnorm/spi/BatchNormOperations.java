package org.batchnorm.spi;

import java.lang.foreign.MemorySegment;
import org.batchnorm.data.BatchShape;
import org.jspecify.annotations.Nullable;

/**
 * Batch normalization on data in host memory, float32: the operations of an opened backend.
 *
 * <p>The arguments have been checked by the caller: segments are large enough, aligned to 4 bytes, alive, accessible by the calling thread (perhaps by it
 * alone) and writable where written to; arrays have exactly {@code shape.elements()} values; per-feature arrays have C values; where batch statistics are asked
 * for, every feature has at least two values. Input and output may be the same memory; they never overlap in part.
 *
 * <p>Every operation may be called from several threads at once. Results are deterministic: the same input and shape give the same bits, whatever the number of
 * threads. A NaN or an infinity in one feature spoils that feature only. An operation that fails has not changed its inputs, unless they are its outputs too.
 *
 * <p>The float[] overloads copy nothing. By default they wrap the arrays in segments; a backend overrides them to save even that.
 */
public interface BatchNormOperations extends AutoCloseable {

    /**
     * The statistics of a batch: per feature over N and S, {@code mean}, biased {@code variance}, {@code rstd = 1 / sqrt(variance + eps)}.
     *
     * @param x in, {@code shape}
     * @param statistics out
     */
    void collectStatistics(BatchShape shape, MemorySegment x, double eps, BatchStatistics statistics);

    /** {@link #collectStatistics(BatchShape, MemorySegment, double, BatchStatistics)} on an array. */
    default void collectStatistics(BatchShape shape, float[] x, double eps, BatchStatistics statistics) {
        collectStatistics(shape, MemorySegment.ofArray(x), eps, statistics);
    }

    /**
     * Training forward: the batch's statistics, and {@code y = gamma · (x − mean) · rstd + beta} with them (Ioffe &amp; Szegedy 2015, algorithm 1).
     *
     * @param x in, {@code shape}
     * @param y out, {@code shape}; may be {@code x}
     * @param gamma in, (C); null: ones
     * @param beta in, (C); null: zeros
     * @param statistics out
     */
    void forward(
            BatchShape shape,
            MemorySegment x,
            MemorySegment y,
            float @Nullable [] gamma,
            float @Nullable [] beta,
            double eps,
            BatchStatistics statistics);

    /** The training forward on arrays. */
    default void forward(
            BatchShape shape,
            float[] x,
            float[] y,
            float @Nullable [] gamma,
            float @Nullable [] beta,
            double eps,
            BatchStatistics statistics) {
        forward(shape, MemorySegment.ofArray(x), MemorySegment.ofArray(y), gamma, beta, eps, statistics);
    }

    /**
     * Inference: {@code y = gamma · (x − mean) / sqrt(variance + eps) + beta} with given statistics.
     *
     * @param x in, {@code shape}
     * @param y out, {@code shape}; may be {@code x}
     * @param gamma in, (C); null: ones
     * @param beta in, (C); null: zeros
     * @param mean in, (C)
     * @param variance in, (C)
     */
    void inference(
            BatchShape shape,
            MemorySegment x,
            MemorySegment y,
            float @Nullable [] gamma,
            float @Nullable [] beta,
            float[] mean,
            float[] variance,
            double eps);

    /** Inference on arrays. */
    default void inference(
            BatchShape shape,
            float[] x,
            float[] y,
            float @Nullable [] gamma,
            float @Nullable [] beta,
            float[] mean,
            float[] variance,
            double eps) {
        inference(shape, MemorySegment.ofArray(x), MemorySegment.ofArray(y), gamma, beta, mean, variance, eps);
    }

    /**
     * Backward. With x̂ = (x − mean) · rstd and m values per feature: {@code dbeta = Σ dy}, {@code dgamma = Σ dy · x̂}, and
     *
     * <ul>
     *   <li>through the statistics: {@code dx = gamma · rstd / m · (m · dy − dbeta − x̂ · dgamma)};
     *   <li>with statistics that did not come from the batch: {@code dx = gamma · rstd · dy}.
     * </ul>
     *
     * Through the statistics every feature has at least three values: of two, where the formula cancels, the layer computes the gradient itself.
     *
     * @param x in, {@code shape}: the input of the forward operation
     * @param dy in, {@code shape}
     * @param dx out, {@code shape}; may be {@code dy} or {@code x}
     * @param gamma in, (C); null: ones
     * @param statistics in, from the forward operation ({@code mean, meanLow, rstd} are read)
     * @param throughStatistics whether the statistics came from this batch, so that the gradient flows through them
     * @param dgamma out, (C): overwritten, not added to
     * @param dbeta out, (C): overwritten, not added to
     */
    void backward(
            BatchShape shape,
            MemorySegment x,
            MemorySegment dy,
            MemorySegment dx,
            float @Nullable [] gamma,
            BatchStatistics statistics,
            boolean throughStatistics,
            float[] dgamma,
            float[] dbeta);

    /** Backward on arrays. */
    default void backward(
            BatchShape shape,
            float[] x,
            float[] dy,
            float[] dx,
            float @Nullable [] gamma,
            BatchStatistics statistics,
            boolean throughStatistics,
            float[] dgamma,
            float[] dbeta) {
        backward(
                shape,
                MemorySegment.ofArray(x),
                MemorySegment.ofArray(dy),
                MemorySegment.ofArray(dx),
                gamma,
                statistics,
                throughStatistics,
                dgamma,
                dbeta);
    }

    /**
     * Whether measurement says that this backend is the faster one for host data of this shape. Asked only where the choice was left to the library
     * ({@code auto}); the CPU takes what a device does not want.
     */
    default boolean prefers(BatchShape shape) {
        return true;
    }

    /** Frees what the backend holds (device memory, cached plans). Idempotent; afterwards no operation may be called. */
    @Override
    default void close() {}
}

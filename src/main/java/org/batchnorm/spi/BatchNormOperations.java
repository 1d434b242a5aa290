package org.batchnorm.spi;

import org.batchnorm.data.BatchShape;

/**
 * Batch normalization of data in host memory, in stages: an opened backend. Between the stages, statistics and sums of
 * several batches, devices or machines can be merged:
 *
 * <pre>
 *   forward:   collectStatistics ─▶ (merge) ─▶ transform
 *   backward:  reduceGradients   ─▶ (merge) ─▶ inputGradient
 * </pre>
 *
 * <p>The caller has checked the arguments. Tensors are large enough, aligned, alive, accessible by the calling thread
 * (perhaps by it alone), and writable where written to. Arrays and statistics have C values. Input and output are the
 * same memory or have none in common. Where batch statistics are asked for, every feature has at least two values in
 * all.
 *
 * <p>A batch without values (N or S is 0) changes nothing: no output is written, statistics stay as they are, and its
 * moments and sums are those of no values, with count 0. {@link Backends#open} answers for them, so that no backend is
 * asked.
 *
 * <p>Every operation may be called from several threads at once. Results are deterministic: the same input and shape
 * give the same bits, whatever the number of threads. A NaN or an infinity in one feature spoils that feature only. An
 * operation that fails has not changed its inputs, unless they are its outputs too.
 */
public interface BatchNormOperations extends AutoCloseable {

    /**
     * The moments of a batch, per feature over N and S.
     *
     * @param tensors x in
     * @param moments out, overwritten
     */
    void collectStatistics(Tensors tensors, Moments moments);

    /**
     * Normalizes: {@code y = gamma · (x − mean) · rstd + beta} with the statistics as they are.
     *
     * <p>With a residual and activations it is {@code output(BN(input(x)) + residual)}.
     *
     * @param tensors x in, and a residual if there is one; y out
     * @param normalization in
     */
    void transform(Tensors tensors, Normalization normalization);

    /**
     * The gradients of γ and β: with x̂ = (x − mean) · rstd, {@code dbeta = Σ dy} and {@code dgamma = Σ dy · x̂}.
     *
     * <p>If there is a dresidual, {@code dresidual = dy · output′(y)} is written first, and stands for dy here and in
     * {@link #inputGradient}.
     *
     * <p>Of {@linkplain Tensors#isFromOutput() y in the place of x}, with {@code z = output⁻¹(y)}, it is {@code x̂ = (z
     * − beta) / gamma}, here and in {@link #inputGradient}.
     *
     * <p>Of statistics of more values than these the count is larger. Where the {@linkplain BatchStatistics#part()
     * moments of these} are known, n values with the mean μ′, a backend can keep the digits of dgamma whatever the mean
     * of dy: {@code Σ dy · x̂ = Σ (dy − c) · x̂ + c · n · (μ′ − mean) · rstd} for every constant c.
     *
     * @param tensors x and dy in, and y where dresidual is to be written; dresidual out
     * @param normalization in, that of the forward
     * @param sums out, overwritten
     */
    void reduceGradients(Tensors tensors, Normalization normalization, GradientSums sums);

    /**
     * The gradient of the input. With m the count of the sums,
     *
     * <ul>
     *   <li>through the statistics: {@code dx = gamma · rstd / m · (m · dy − dbeta − x̂ · dgamma)};
     *   <li>with given statistics: {@code dx = gamma · rstd · dy}.
     * </ul>
     *
     * <p>Through the statistics of two values (m = 2) the formula cancels: two values determine their mean and
     * variance, and all that is left is what eps does. A backend takes the closed form, with {@code 1 − d² · rstd² =
     * eps · rstd²} for {@code d = (x₁ − x₂) / 2}:
     *
     * <pre>{@code dx = gamma · eps · rstd³ · (dy − dbeta / 2)}</pre>
     *
     * @param tensors x and dy in, or, where there is one, x and dresidual; dx out
     * @param normalization in, that of the forward
     * @param sums in; those of all values from which the statistics came
     */
    void inputGradient(Tensors tensors, Normalization normalization, GradientSums sums);

    /**
     * Training forward: the batch's statistics, and y with them (Ioffe &amp; Szegedy 2015, algorithm 1).
     *
     * @param tensors x in, y out
     * @param normalization in: gamma, beta, eps; out: the statistics
     */
    default void forward(Tensors tensors, Normalization normalization) {
        BatchStatistics statistics = normalization.statistics();
        Moments moments = new Moments(tensors.shape().c());
        collectStatistics(tensors, moments);
        statistics.set(moments, normalization.eps());
        transform(tensors, normalization);
    }

    /**
     * Backward: the gradients of the parameters, and of the input with them.
     *
     * @param tensors x and dy in, dx out
     * @param normalization in, that of the forward
     * @param sums out, overwritten: the gradients of γ and β
     */
    default void backward(Tensors tensors, Normalization normalization, GradientSums sums) {
        reduceGradients(tensors, normalization, sums);
        inputGradient(tensors, normalization, sums);
    }

    /**
     * Refuses tensors that these operations do not take, for their types or their size. Who changes something before an
     * operation asks first; the operation itself refuses them, too.
     *
     * @throws IllegalArgumentException if there is such a tensor; the message names it
     */
    default void requireTaken(Tensors tensors) {}

    /**
     * Whether measurement says that this backend is the faster one for host data of this shape. Asked only where the
     * choice was left to the library ({@code auto}); the CPU takes what a device does not want.
     */
    default boolean prefers(BatchShape shape) {
        return true;
    }

    /** Whether the operations do the {@link Tensors#activations} and a residual, too; else nobody gives them any. */
    default boolean doesActivations() {
        return false;
    }

    /** Whether gradients are made of {@linkplain Tensors#isFromOutput() y}, too; else nobody asks for that. */
    default boolean doesBackwardFromOutput() {
        return false;
    }

    /** Whether the operations take tensors of 16-bit types; else {@link Backends#open} refuses them. */
    default boolean takes16Bit() {
        return false;
    }

    /**
     * Why they take none of 16-bit types, for the message of the refusal: a clause without a full stop, or nothing if
     * there is no more to say.
     */
    default String whyNo16Bit() {
        return "";
    }

    /**
     * Whether the operations take tensors of FLOAT64, all of an operation or none, with parameters and statistics in
     * float64; else {@link Backends#open} refuses them.
     */
    default boolean takesFloat64() {
        return false;
    }

    /**
     * Frees what the backend holds (device memory, cached plans). Idempotent; afterwards no operation may be called.
     */
    @Override
    default void close() {}
}

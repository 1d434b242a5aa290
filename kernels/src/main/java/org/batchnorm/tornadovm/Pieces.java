package org.batchnorm.tornadovm;

import uk.ac.manchester.tornado.api.types.arrays.BFloat16Array;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.HalfFloatArray;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/**
 * What a layer can add to one task graph, of {@link BatchNormTasks#on}: each method adds the tasks of one operation.
 *
 * <p>The data are {@link FloatArray}s, or {@link DoubleArray}s of a layer of FLOAT64, with at least as many values as
 * the largest batch; an array that is too small, or with training a batch that would have only one value per feature,
 * is refused with an {@link IllegalArgumentException}, and so is a second operation of the same name. In place means
 * the same array twice.
 *
 * <p><b>16-bit types.</b> On a device that takes them ({@link DeviceLimits#takes16Bit}) each of the arrays may be a
 * {@link HalfFloatArray} or a {@link BFloat16Array} as well, x and y of different types too. Arithmetic is float32's,
 * and a value is rounded once, where it is stored: to nearest, to even where two are as near, to an infinity beyond the
 * type's range. Parameters, gradients and statistics stay float32. TornadoVM wants every BFloat16Array of a task named
 * by the graph's {@code transferToDevice}, {@code transferToHost}, {@code persistOnDevice} or
 * {@code consumeFromDevice}, also one that never leaves the device.
 *
 * <p><b>In place.</b> Of a layer that recomputes its input ({@link BatchNormTasksBuilder#recomputeInputFromOutput})
 * every piece of a backward takes y, the output of the forward, where it says x; all else is the same. There is no
 * residual.
 *
 * <p><b>FLOAT64.</b> Every array of a layer of FLOAT64 is a {@link DoubleArray}, moments and sums
 * ({@link Summaries#array(int, org.batchnorm.data.ElementType)}) too. Its operations are two-stage kernels, which sum
 * in pairs of doubles: they read x three times forward, and dy three times backward.
 */
public final class Pieces {
    private final LayerPlan plan;
    private final SampleCount samples;
    private final KernelCalls kernels;

    Pieces(LayerPlan plan, SampleCount samples, KernelCalls kernels) {
        this.plan = plan;
        this.samples = samples;
        this.kernels = kernels;
    }

    /**
     * The training forward: the batch's statistics, {@code y = gamma · (x − mean) · rstd + beta} with them, and
     * {@code running = (1 − momentum) · running + momentum · batch}.
     *
     * @param x in, the batch
     * @param y out, the batch; may be x
     */
    public void forward(TornadoNativeArray x, TornadoNativeArray y) {
        plan.requireTwoValues();
        plan.requireBatch("x", x);
        plan.requireOutput(y);
        kernels.forward(x, y);
        plan.keepTwoValues(samples);
    }

    /**
     * The training forward with a residual, {@code y = activation(BN(x) + residual)}, as a residual network's block
     * ends; in two stages. Its backward is {@link #backward(TornadoNativeArray, TornadoNativeArray, TornadoNativeArray,
     * TornadoNativeArray, TornadoNativeArray)}.
     *
     * @param x in, the batch
     * @param residual in, the batch
     * @param y out, the batch; may be x or residual
     */
    public void forward(TornadoNativeArray x, TornadoNativeArray residual, TornadoNativeArray y) {
        plan.requireResidualAllowed("residual");
        plan.requireTwoValues();
        requireSizes(x, residual, y);
        kernels.forwardInStages(x, residual, y);
        plan.keepTwoValues(samples);
    }

    /**
     * The first step of a training forward in steps: the batch's moments, to be merged with those of others or not. A
     * part of a batch may have one value per feature, or none.
     *
     * @param x in, the batch
     * @param moments out, of {@link Summaries#array(int, org.batchnorm.data.ElementType)}
     */
    public void collectStatistics(TornadoNativeArray x, DoubleArray moments) {
        plan.requireBatch("x", x);
        plan.requireSummary("moments", moments);
        kernels.collectStatistics(x, moments);
    }

    /**
     * The second step of a training forward in steps: {@link BatchNormTasks#statistics} of moments, be they of
     * {@link #collectStatistics} or of more values than that has seen; and {@code running = (1 − momentum) · running +
     * momentum · batch}.
     *
     * @param moments in, of at least 2 values per feature; {@link Summaries#array}
     */
    public void mergeStatistics(DoubleArray moments) {
        plan.requireSummary("moments", moments);
        kernels.mergedStatistics(moments);
    }

    /**
     * The last step of a training forward in steps: {@code y = gamma · (x − mean) · rstd + beta} with the
     * {@link BatchNormTasks#statistics} as they are, be they of {@link #mergeStatistics} or written by the caller.
     *
     * @param x in, the batch
     * @param y out, the batch; may be x
     */
    public void transform(TornadoNativeArray x, TornadoNativeArray y) {
        plan.requireBatch("x", x);
        plan.requireOutput(y);
        kernels.transform(x, null, y);
    }

    /**
     * The same with a residual, {@code y = activation(BN(x) + residual)}.
     *
     * @param x in, the batch
     * @param residual in, the batch
     * @param y out, the batch; may be x or residual
     */
    public void transform(TornadoNativeArray x, TornadoNativeArray residual, TornadoNativeArray y) {
        plan.requireResidualAllowed("residual");
        requireSizes(x, residual, y);
        kernels.transform(x, residual, y);
    }

    /**
     * The training forward of a layer with frozen statistics: normalizes with the running statistics, leaves them
     * alone, and keeps what {@link #frozenBackward} needs.
     *
     * @param x in, the batch
     * @param y out, the batch; may be x
     * @throws IllegalStateException if the layer tracks no statistics
     */
    public void frozenForward(TornadoNativeArray x, TornadoNativeArray y) {
        requireFrozen();
        plan.requireBatch("x", x);
        plan.requireOutput(y);
        kernels.frozenForward(x, null, y);
    }

    /**
     * The same with a residual, {@code y = activation(BN(x) + residual)}. Its backward is
     * {@link #frozenBackward(TornadoNativeArray, TornadoNativeArray, TornadoNativeArray, TornadoNativeArray,
     * TornadoNativeArray)}.
     *
     * @param x in, the batch
     * @param residual in, the batch
     * @param y out, the batch; may be x or residual
     * @throws IllegalStateException if the layer tracks no statistics
     */
    public void frozenForward(TornadoNativeArray x, TornadoNativeArray residual, TornadoNativeArray y) {
        requireFrozen();
        plan.requireResidualAllowed("residual");
        requireSizes(x, residual, y);
        kernels.frozenForward(x, residual, y);
    }

    private void requireFrozen() {
        if (!plan.config().trackRunningStatistics()) {
            throw new IllegalStateException(
                    "frozenForward: the layer tracks no running statistics and has none to normalize with");
        }
    }

    /**
     * Inference: {@code y = gamma · (x − runningMean) / sqrt(runningVar + eps) + beta}, one kernel; nothing of the
     * layer changes. Without tracked statistics it is {@link #forward}, which normalizes with the batch's own.
     *
     * @param x in, the batch
     * @param y out, the batch; may be x
     */
    public void inference(TornadoNativeArray x, TornadoNativeArray y) {
        if (!plan.config().trackRunningStatistics()) {
            forward(x, y);
            return;
        }
        plan.requireBatch("x", x);
        plan.requireBatch("y", y);
        kernels.inference(x, null, y);
    }

    /**
     * The same with a residual, {@code y = activation(BN(x) + residual)}.
     *
     * @param x in, the batch
     * @param residual in, the batch
     * @param y out, the batch; may be x or residual
     */
    public void inference(TornadoNativeArray x, TornadoNativeArray residual, TornadoNativeArray y) {
        if (!plan.config().trackRunningStatistics()) {
            forward(x, residual, y);
            return;
        }
        requireSizes(x, residual, y);
        kernels.inference(x, residual, y);
    }

    /**
     * Backward through the batch's statistics: {@link BatchNormTasks#gradients}, and the gradient of x, with x̂ the
     * normalized x {@code dx = gamma · rstd / m · (m · dy − dbeta − x̂ · dgamma)}.
     *
     * @param x in, the batch that {@link #forward} got, or y where the input is recomputed
     * @param dy in, the gradient of its y
     * @param dx out, the gradient of x; may be dy or x
     */
    public void backward(TornadoNativeArray x, TornadoNativeArray dy, TornadoNativeArray dx) {
        plan.requireTwoValues();
        plan.requireGiven(x);
        plan.requireBatch("dy", dy);
        plan.requireBatch("dx", dx);
        kernels.backward(x, dy, dx);
        plan.keepTwoValues(samples);
    }

    /**
     * Backward of a forward with a residual: with {@code dresidual = dy · activation′(y)} the gradients of γ, β and x
     * are those of dresidual in the place of dy. One kernel more than without a residual, for dresidual.
     *
     * @param x in, the batch that {@link #forward(TornadoNativeArray, TornadoNativeArray, TornadoNativeArray)} got
     * @param y in, what it gave
     * @param dy in, the gradient of y
     * @param dx out, the gradient of x; may be x, y or dy
     * @param dresidual out, the gradient of the residual; may be y or dy, not x or dx
     */
    public void backward(
            TornadoNativeArray x,
            TornadoNativeArray y,
            TornadoNativeArray dy,
            TornadoNativeArray dx,
            TornadoNativeArray dresidual) {
        plan.requireResidualAllowed("dresidual");
        plan.requireTwoValues();
        requireResidualGradient(x, dx, dresidual);
        kernels.requireNewResidualBackward();
        residualGradient(y, dy, dresidual).backward(x, dresidual, dx);
    }

    /**
     * The first step of the backward of a forward with a residual: {@code dresidual = dy · activation′(y)}, which is
     * the gradient of BN(x), too.
     *
     * @param y in, what the forward gave
     * @param dy in, the gradient of y
     * @param dresidual out, the gradient of the residual; may be y or dy
     * @return the pieces that the other steps of the backward are of, with dresidual in the place of dy: the activation
     *     after batch norm is behind them. They are for a backward only: a forward of theirs has no such activation
     */
    public Pieces residualGradient(TornadoNativeArray y, TornadoNativeArray dy, TornadoNativeArray dresidual) {
        plan.requireResidualAllowed("dresidual");
        plan.requireBatch("y", y);
        plan.requireBatch("dy", dy);
        plan.requireBatch("dresidual", dresidual);
        kernels.residualGradient(y, dy, dresidual);
        LayerPlan before = plan.withoutOutput();
        return new Pieces(before, samples, kernels.of(before));
    }

    /** Before the first task is added: dx is made of x and dresidual. */
    private void requireResidualGradient(TornadoNativeArray x, TornadoNativeArray dx, TornadoNativeArray dresidual) {
        plan.requireBatch("x", x);
        plan.requireBatch("dx", dx);
        if (dresidual == x || dresidual == dx) {
            throw new IllegalArgumentException("dresidual: the array of " + (dresidual == x ? "x" : "dx")
                    + " given, must be another one, or that of y or dy");
        }
    }

    private void requireSizes(TornadoNativeArray x, TornadoNativeArray residual, TornadoNativeArray y) {
        plan.requireBatch("x", x);
        plan.requireBatch("residual", residual);
        plan.requireBatch("y", y);
    }

    /**
     * The first step of a backward in steps: the sums over the batch, to be added to those of others or not, with the
     * {@link BatchNormTasks#statistics} as they are. They may be any, so that the mean of x is taken as it is given,
     * and digits of dgamma are lost where dy has a mean of many deviations. Where they are the batch's, or those of a
     * larger one, {@link #reduceGradients(TornadoNativeArray, TornadoNativeArray, DoubleArray, DoubleArray)} keeps
     * these.
     *
     * @param x in, the batch that the forward got
     * @param dy in, the gradient of its y
     * @param sums out, of {@link Summaries#array}
     */
    public void reduceGradients(TornadoNativeArray x, TornadoNativeArray dy, DoubleArray sums) {
        plan.requireGiven(x);
        plan.requireBatch("dy", dy);
        plan.requireSummary("sums", sums);
        kernels.reduceGradients(x, dy, sums);
    }

    /**
     * The same of x whose own moments are known, and of a batch whose statistics were merged of these and those of the
     * other parts: as {@link #backward} this keeps the digits of dgamma whatever the mean of dy. The sums of a part of
     * FLOAT64 are rounded to doubles, though, and dgamma of a part contains that mean as often as its x̂ add up to.
     *
     * @param x in, the batch that the forward got
     * @param dy in, the gradient of its y
     * @param moments in, of {@link #collectStatistics} of this x alone, not the merged ones
     * @param sums out, of {@link Summaries#array}
     */
    public void reduceGradients(TornadoNativeArray x, TornadoNativeArray dy, DoubleArray moments, DoubleArray sums) {
        plan.requireGiven(x);
        plan.requireBatch("dy", dy);
        plan.requireSummary("moments", moments);
        plan.requireSummary("sums", sums);
        kernels.reducePartGradients(x, dy, moments, sums);
    }

    /**
     * The second step of a backward in steps: {@link BatchNormTasks#gradients} of sums, be they of
     * {@link #reduceGradients} or over more values than that has seen.
     *
     * @param sums in, over all values that the {@link BatchNormTasks#statistics} are of; {@link Summaries#array}
     */
    public void mergeGradients(DoubleArray sums) {
        plan.requireSummary("sums", sums);
        kernels.mergedGradients(sums);
    }

    /**
     * The last step of a backward in steps: the gradient of x through the batch's statistics, with the sums of
     * {@link #mergeGradients}.
     *
     * @param x in, the batch that the forward got
     * @param dy in, the gradient of its y
     * @param dx out, the gradient of x; may be dy or x
     */
    public void inputGradient(TornadoNativeArray x, TornadoNativeArray dy, TornadoNativeArray dx) {
        plan.requireGiven(x);
        plan.requireBatch("dy", dy);
        plan.requireBatch("dx", dx);
        kernels.inputGradient(x, dy, dx);
    }

    /**
     * Backward past frozen statistics: {@link BatchNormTasks#gradients}, and {@code dx = gamma · rstd · dy}.
     *
     * @param x in, the batch that {@link #frozenForward} got
     * @param dy in, the gradient of its y
     * @param dx out, the gradient of x; may be dy or x
     */
    public void frozenBackward(TornadoNativeArray x, TornadoNativeArray dy, TornadoNativeArray dx) {
        plan.requireGiven(x);
        plan.requireBatch("dy", dy);
        plan.requireBatch("dx", dx);
        kernels.frozenBackward(x, dy, dx);
    }

    /**
     * Backward past frozen statistics of a forward with a residual, as {@link #backward(TornadoNativeArray,
     * TornadoNativeArray, TornadoNativeArray, TornadoNativeArray, TornadoNativeArray)}.
     *
     * @param x in, the batch that {@link #frozenForward(TornadoNativeArray, TornadoNativeArray, TornadoNativeArray)}
     *     got
     * @param y in, what it gave
     * @param dy in, the gradient of y
     * @param dx out, the gradient of x; may be x, y or dy
     * @param dresidual out, the gradient of the residual; may be y or dy, not x or dx
     */
    public void frozenBackward(
            TornadoNativeArray x,
            TornadoNativeArray y,
            TornadoNativeArray dy,
            TornadoNativeArray dx,
            TornadoNativeArray dresidual) {
        plan.requireResidualAllowed("dresidual");
        requireResidualGradient(x, dx, dresidual);
        kernels.requireNewBackward();
        residualGradient(y, dy, dresidual).frozenBackward(x, dresidual, dx);
    }

    /**
     * The last step of a backward past frozen statistics in steps: {@code dx = gamma · rstd · dy}, with rstd of the
     * {@link BatchNormTasks#statistics} as they are.
     *
     * @param x in, the batch that the forward got; read with activations only
     * @param dy in, the gradient of y
     * @param dx out, the gradient of x; may be dy or x
     */
    public void frozenInputGradient(TornadoNativeArray x, TornadoNativeArray dy, TornadoNativeArray dx) {
        plan.requireGiven(x);
        plan.requireBatch("dy", dy);
        plan.requireBatch("dx", dx);
        kernels.givenInputGradient(x, dy, dx);
    }

    /**
     * The same for a layer without activations.
     *
     * @throws IllegalStateException if the layer has some
     */
    public void frozenInputGradient(TornadoNativeArray dy, TornadoNativeArray dx) {
        if (!plan.activations().areNone()) {
            throw new IllegalStateException(
                    "frozenInputGradient: the layer has activations, whose signs are those of x;"
                            + " call frozenInputGradient(x, dy, dx)");
        }
        plan.requireBatch("dy", dy);
        plan.requireBatch("dx", dx);
        kernels.givenInputGradient(dy, dy, dx);
    }
}

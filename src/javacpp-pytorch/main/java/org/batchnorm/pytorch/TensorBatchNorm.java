package org.batchnorm.pytorch;

import java.lang.ref.Reference;
import java.util.Arrays;
import java.util.Iterator;
import java.util.function.Supplier;
import org.batchnorm.BatchNormFunction;
import org.batchnorm.Parameters;
import org.batchnorm.SavedStatistics;
import org.batchnorm.data.Batch;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.GradMode;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;

/**
 * Batch normalization for training loops on libtorch from Java ({@code org.bytedeco:pytorch}), with PyTorch's
 * conventions: what {@code torch.batch_norm} computes, from float32, bfloat16 or float16 tensors on the CPU of shape
 * (N, C) or (N, C, …), as part of autograd's graph. y and dx have x's type and are rounded to it once; parameters,
 * their gradients and statistics are float32 whatever it is.
 *
 * <pre>{@code
 * TensorBatchNorm bn = new TensorBatchNorm(256);
 * Adam adam = new Adam(new TensorVector(linear.weight(), bn.weight(), bn.bias()));
 * Tensor y = bn.forward(linear.forward(x));
 * loss(y).backward();      // x's gradient, and those of bn.weight() and bn.bias()
 * adam.step();
 * bn.train(false);         // running statistics from now on
 * }</pre>
 *
 * <p>Memory: autograd gets one copy of x, which becomes y; without gradients ({@code NoGradGuard}) there is none. All
 * dense memory orders are taken as they lie, channels-last included, and y has x's; of what has gaps, backward makes a
 * second copy. x must not be changed in place before the backward, as in PyTorch.
 *
 * <p>Each forward has one backward: another one through it ({@code retain_graph}) and second derivatives
 * ({@code create_graph}) are refused by name, and so are tensors of other types, layouts and devices. A refusal in
 * backward comes as the {@code RuntimeException} in which libtorch passes it on.
 *
 * <p>One thread at a time.
 */
public final class TensorBatchNorm implements AutoCloseable {
    private final int features;
    private final double momentum;
    private final BatchNormFunction function;
    private final Tensor weight;
    private final Tensor bias;
    private final Tensor runningMean;
    private final Tensor runningVar;
    private final float[] gamma;
    private final float[] beta;
    private final float[] mean;
    private final float[] variance;
    private boolean training = true;
    private long batches;

    /** A layer with PyTorch's defaults: eps 1e-5, momentum 0.1. */
    public TensorBatchNorm(int features) {
        this(features, 1e-5, 0.1);
    }

    /**
     * A layer in training mode; weight 1, bias 0, running mean 0, running variance 1.
     *
     * @param features C, ≥ 1
     * @param eps added to the variance, &gt; 0
     * @param momentum of the running statistics, 0 to 1: {@code running = (1 − momentum) · running + momentum · batch}
     * @throws IllegalArgumentException if a value is out of range
     */
    public TensorBatchNorm(int features, double eps, double momentum) {
        if (!(momentum >= 0 && momentum <= 1)) {
            throw new IllegalArgumentException("momentum: " + momentum + " given, must be from 0 to 1");
        }
        this.function = BatchNormFunction.builder(features).eps(eps).build();
        this.features = features;
        this.momentum = momentum;
        this.weight = owned(() -> torch.ones(features).requires_grad_());
        this.bias = owned(() -> torch.zeros(features).requires_grad_());
        this.runningMean = owned(() -> torch.zeros(features));
        this.runningVar = owned(() -> torch.ones(features));
        this.gamma = new float[features];
        this.beta = new float[features];
        this.mean = new float[features];
        this.variance = new float[features];
    }

    /** γ, (C): a leaf that requires its gradient, for an optimizer. */
    public Tensor weight() {
        return weight;
    }

    /** β, (C): a leaf that requires its gradient, for an optimizer. */
    public Tensor bias() {
        return bias;
    }

    /** The running mean, (C). What is written to it counts. */
    public Tensor runningMean() {
        return runningMean;
    }

    /** The running variance, (C), of the unbiased variances. What is written to it counts. */
    public Tensor runningVar() {
        return runningVar;
    }

    /** How many batches the running statistics have seen. */
    public long numBatchesTracked() {
        return batches;
    }

    /** Training: statistics of the batch, which the running ones follow. Otherwise the running statistics. */
    public void train(boolean on) {
        training = on;
    }

    /** Whether the layer is in training mode. */
    public boolean isTraining() {
        return training;
    }

    /**
     * Normalizes a batch.
     *
     * @param x float32, bfloat16 or float16 on the CPU, (N, C) or (N, C, …)
     * @return y, the shape and type of x; part of autograd's graph where gradients are recorded
     * @throws IllegalArgumentException if x is of another type, device, layout or shape, or if there is but one value
     *     per feature in training; nothing is changed
     */
    public Tensor forward(Tensor x) {
        requireOpen();
        requireInput(x);
        TensorMemory.read("weight", weight, gamma);
        TensorMemory.read("bias", bias, beta);
        TensorMemory.read("runningMean", runningMean, mean);
        TensorMemory.read("runningVar", runningVar, variance);
        boolean recorded =
                GradMode.is_enabled() && (x.requires_grad() || weight.requires_grad() || bias.requires_grad());
        if (recorded && x.is_inference()) {
            throw new IllegalArgumentException(
                    "x: an inference tensor given where gradients are recorded; give a clone() of it, or use NoGradGuard");
        }
        return surviving(() -> recorded ? recorded(x) : unrecorded(x));
    }

    private void requireOpen() {
        if (weight.isNull()) {
            throw new IllegalStateException("the layer is closed; build another one");
        }
    }

    private void requireInput(Tensor x) {
        TensorMemory.requireDataOnCpu("x", x);
        if (x.dim() < 2 || x.size(1) != features) {
            throw new IllegalArgumentException("x: shape " + Arrays.toString(MemoryOrder.extents(x))
                    + " given, must be (N, " + features + ") or (N, " + features + ", …)");
        }
    }

    private Tensor unrecorded(Tensor x) {
        boolean dense = x.is_non_overlapping_and_dense();
        Tensor y = dense ? MemoryOrder.of(x).create(x) : x.contiguous();
        // In place where there had to be a copy.
        normalize(dense ? x : y, y, new SavedStatistics(features));
        return y;
    }

    /**
     * A copy of x that is part of the graph and whose values are then overwritten; its gradient, dy, is replaced by dx.
     * The copy is a concatenation with a tensor without values, as that needs a gradient where x does not, and as it
     * tells how long the graph lives.
     */
    private Tensor recorded(Tensor x) {
        boolean dense = x.is_non_overlapping_and_dense();
        long[] axes = dense ? MemoryOrder.of(x).outermostFirst() : MemoryOrder.asTheyAre(x);
        Tensor inMemoryOrder = permuted(x, axes);
        long[] withoutValues = MemoryOrder.extents(inMemoryOrder);
        withoutValues[0] = 0;
        // Of x's type, which the concatenation then has, too.
        Tensor lifetime = inMemoryOrder.new_empty(withoutValues);
        lifetime.requires_grad_();
        Tensor copy = torch.cat(new TensorVector(inMemoryOrder, lifetime), 0);
        Tensor y = permuted(copy, MemoryOrder.inverse(axes));
        SavedStatistics saved = new SavedStatistics(features);
        normalize(dense ? x : y, y, saved);
        // Of the copy, not of a view of it: who changes a view in place takes it and its hooks out of the graph.
        Recorded recorded = new Recorded(this, MemoryOrder.of(y), axes, gamma.clone(), saved);
        copy.register_hook(new BackwardHook(recorded, x, lifetime));
        return y;
    }

    /** The axes in another order; the tensor itself where that is the order they have. */
    static Tensor permuted(Tensor tensor, long[] axes) {
        boolean same = true;
        for (int axis = 0; axis < axes.length; axis++) {
            same &= axes[axis] == axis;
        }
        return same ? tensor : tensor.permute(axes);
    }

    /**
     * What a backward must know of its forward.
     *
     * @param order y's in memory
     * @param axes y's axis at each of the copy's
     * @param gamma γ as it was
     * @param saved the statistics
     */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Recorded(TensorBatchNorm layer, MemoryOrder order, long[] axes, float[] gamma, SavedStatistics saved) {}

    private void normalize(Tensor x, Tensor y, SavedStatistics saved) {
        MemoryOrder order = MemoryOrder.of(y);
        Batch from = order.batch("x", x);
        Batch to = order.batch("y", y);
        Parameters parameters = Parameters.of(gamma, beta);
        try {
            if (training) {
                function.forward(from, to, parameters, saved);
                updateRunningStatistics(from.shape().valuesPerFeature(), saved);
            } else {
                function.inference(from, to, parameters, mean, variance, saved);
            }
        } finally {
            Reference.reachabilityFence(x); // y is the scope's
        }
    }

    private void updateRunningStatistics(long valuesPerFeature, SavedStatistics saved) {
        batches++;
        if (valuesPerFeature == 0) {
            return;
        }
        float[] ofBatch = saved.mean();
        float[] biased = saved.variance();
        double unbiased = valuesPerFeature / (valuesPerFeature - 1.0);
        for (int c = 0; c < features; c++) {
            mean[c] = (float) ((1 - momentum) * mean[c] + momentum * ofBatch[c]);
            variance[c] = (float) ((1 - momentum) * variance[c] + momentum * unbiased * biased[c]);
        }
        TensorMemory.write(mean, runningMean);
        TensorMemory.write(variance, runningVar);
    }

    /** Computes dx from dy, and adds the gradients of weight and bias to theirs. */
    Tensor backward(Recorded forward, Tensor x, Tensor dy) {
        requireOpen();
        MemoryOrder order = forward.order();
        float[] dgamma = new float[features];
        float[] dbeta = new float[features];
        Tensor dx = order.create(dy);
        function.backward(
                order.batch("x", x),
                order.batch("dy", dy),
                order.batch("dx", dx),
                new Parameters(forward.gamma(), null, dgamma, dbeta),
                forward.saved());
        addGradient(weight, dgamma);
        addGradient(bias, dbeta);
        return dx;
    }

    private static void addGradient(Tensor parameter, float[] gradient) {
        if (!parameter.requires_grad()) {
            return;
        }
        Tensor addend = torch.empty(gradient.length);
        TensorMemory.write(gradient, addend);
        if (parameter.grad().defined()) {
            parameter.mutable_grad().add_(addend);
        } else {
            parameter.mutable_grad().put(addend);
        }
    }

    /** Frees what the layer holds. Idempotent; graphs that have passed through it must not run backward afterwards. */
    @Override
    public void close() {
        function.close();
        for (Tensor tensor : new Tensor[] {weight, bias, runningMean, runningVar}) {
            if (!tensor.isNull()) {
                tensor.close();
            }
        }
    }

    /** A tensor that outlives the scope in which it is made. */
    @SuppressWarnings("try") // the scope frees what is made within it
    static Tensor owned(Supplier<Tensor> work) {
        try (PointerScope temporaries = new PointerScope()) {
            Tensor result = new Tensor(work.get());
            return result.retainReference();
        }
    }

    /** A tensor that is handed out: of what is made on the way it alone survives, as long as the caller's scope. */
    private static Tensor surviving(Supplier<Tensor> work) {
        Tensor result = owned(work);
        Iterator<PointerScope> scopes = PointerScope.getScopeIterator();
        while (scopes != null && scopes.hasNext()) {
            PointerScope scope = scopes.next();
            Class<? extends Pointer>[] only = scope.forClasses();
            if (only == null || only.length == 0) {
                scope.attach(result);
                result.releaseReference();
                break;
            }
        }
        return result;
    }
}

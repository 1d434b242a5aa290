package org.batchnorm.bench.peers.libtorch;

import static org.batchnorm.bench.peers.libtorch.LibtorchPeer.all;
import static org.batchnorm.bench.peers.libtorch.LibtorchPeer.floats;
import static org.batchnorm.bench.peers.libtorch.LibtorchPeer.optional;
import static org.batchnorm.bench.peers.libtorch.LibtorchPeer.tensor;

import java.util.HashMap;
import java.util.Map;
import org.batchnorm.bench.peers.Peer;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Expected;
import org.batchnorm.bench.workload.Inputs;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.spi.Activation;
import org.bytedeco.javacpp.BoolPointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;

/**
 * Batch normalization with a residual and activations, as PyTorch does it: a call each, in place or into preallocated
 * outputs. It fuses none of them.
 */
final class FusedCall implements Peer.Variant {
    private final Operation operation;
    private final BenchShape shape;
    private final PointerScope memory;
    private final Activation before;
    private final Activation after;
    private final Tensor x;
    private final Tensor normalized;
    private final Tensor dy;
    private final Tensor residual;
    private final Tensor y;
    private final Tensor dz;
    private final Tensor dx;
    private final Tensor dgamma;
    private final Tensor dbeta;
    private final TensorOptional gamma;
    private final TensorOptional beta;
    private final TensorOptional runningMean;
    private final TensorOptional runningVar;
    private final Tensor mean;
    private final Tensor rstd;
    private final TensorOptional savedMean;
    private final TensorOptional savedRstd;
    private final BoolPointer all;
    private final Scalar slopeBefore;
    private final Scalar slopeAfter;
    private final Scalar zero;
    private final boolean adds;

    FusedCall(Operation operation, BenchShape shape, Inputs in) {
        this.operation = operation;
        this.shape = shape;
        this.before = in.kind().fusion().activations().input();
        this.after = in.kind().fusion().activations().output();
        this.adds = in.kind().fusion().residual();
        boolean training = operation != Operation.INFERENCE;
        boolean backward = operation == Operation.BACKWARD;
        try (PointerScope setup = new PointerScope()) {
            memory = setup.extend();
            x = tensor(in.x(), shape);
            normalized = before.isNone() ? x : empty();
            dy = backward ? tensor(in.dy(), shape) : x;
            residual = adds ? tensor(in.residual(), shape) : x;
            y = empty();
            dz = backward && !after.isNone() ? empty() : dy;
            dx = backward ? empty() : y;
            dgamma = tensor(new float[shape.c()]);
            dbeta = tensor(new float[shape.c()]);
            gamma = optional(in.gamma());
            beta = optional(in.beta());
            runningMean = optional(in.runningMean());
            runningVar = optional(in.runningVar());
            // Inference saves no statistics.
            mean = tensor(new float[training ? shape.c() : 0]);
            rstd = tensor(new float[training ? shape.c() : 0]);
            savedMean = new TensorOptional(mean);
            savedRstd = new TensorOptional(rstd);
            all = all();
            slopeBefore = new Scalar(before.negativeSlope());
            slopeAfter = new Scalar(after.negativeSlope());
            zero = new Scalar(0f);
        }
        if (backward) {
            forward();
        }
    }

    private Tensor empty() {
        return tensor(new float[shape.elements()], shape);
    }

    @Override
    public void run() {
        if (operation == Operation.BACKWARD) {
            backward();
        } else {
            forward();
        }
    }

    @SuppressWarnings("try") // the scope frees what the calls return
    private void forward() {
        try (PointerScope returned = new PointerScope()) {
            if (!before.isNone()) {
                torch.leaky_relu_outf(x, slopeBefore, normalized);
            }
            torch.native_batch_norm_out(
                    y,
                    mean,
                    rstd,
                    normalized,
                    gamma,
                    beta,
                    runningMean,
                    runningVar,
                    operation != Operation.INFERENCE,
                    LibtorchPeer.MOMENTUM,
                    Inputs.EPS);
            if (adds) {
                y.add_(residual);
            }
            if (isRelu()) {
                torch.relu_(y);
            } else if (!after.isNone()) {
                torch.leaky_relu_(y, slopeAfter);
            }
        }
    }

    @SuppressWarnings("try") // the scope frees what the calls return
    private void backward() {
        try (PointerScope returned = new PointerScope()) {
            if (isRelu()) {
                torch.threshold_backward_outf(dy, y, zero, dz);
            } else if (!after.isNone()) {
                torch.leaky_relu_backward_outf(dy, y, slopeAfter, true, dz);
            }
            torch.native_batch_norm_backward_out(
                    dx,
                    dgamma,
                    dbeta,
                    dz,
                    normalized,
                    gamma,
                    runningMean,
                    runningVar,
                    savedMean,
                    savedRstd,
                    true,
                    Inputs.EPS,
                    all);
            if (!before.isNone()) {
                torch.leaky_relu_backward_outf(dx, x, slopeBefore, false, dx);
            }
        }
    }

    private boolean isRelu() {
        return after.negativeSlope() == 0;
    }

    @Override
    @SuppressWarnings("try") // the scope frees the views that are made within it
    public Map<String, float[]> results() {
        try (PointerScope views = new PointerScope()) {
            if (operation != Operation.BACKWARD) {
                return Map.of(Expected.Y, floats(y, shape));
            }
            Map<String, float[]> results = new HashMap<>();
            results.put(Expected.DX, floats(dx, shape));
            results.put(Expected.DGAMMA, floats(dgamma));
            results.put(Expected.DBETA, floats(dbeta));
            if (adds) {
                results.put(Expected.DRESIDUAL, floats(dz, shape));
            }
            return results;
        }
    }

    @Override
    public void close() {
        memory.deallocate();
    }
}

package org.batchnorm.bench.peers.djl;

import ai.djl.engine.Engine;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.norm.BatchNorm;
import ai.djl.pytorch.jni.JniUtils;
import ai.djl.training.GradientCollector;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.batchnorm.bench.peers.Peer;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Expected;
import org.batchnorm.bench.workload.Inputs;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.data.Layout;
import org.jspecify.annotations.Nullable;

/**
 * DJL on its PyTorch engine: {@code BatchNorm.batchNorm} within a scope of an {@code NDManager}, and
 * {@code GradientCollector.backward}. DJL has no channels-last batch norm. Its backward starts from a scalar, so the
 * loss is {@code Σ y · dy}: the forward is not timed, the gradient of the product is.
 */
public final class DjlPeer implements Peer {
    private static final float MOMENTUM = 0.9f;

    @Override
    public String name() {
        return "djl";
    }

    @Override
    public Started start(int threads) {
        // Read by DJL when it loads its engine.
        System.setProperty("ai.djl.pytorch.num_threads", String.valueOf(threads));
        System.setProperty("ai.djl.pytorch.num_interop_threads", "1");
        System.setProperty("ai.djl.offline", "true");
        Engine engine = Engine.getEngine("PyTorch");
        return new Started(engine.getVersion(), JniUtils.getNumThreads(), engine.toString());
    }

    @Override
    public List<String> variants(Operation operation, BenchShape shape) {
        return shape.layout() == Layout.CHANNELS_FIRST ? List.of("function") : List.of();
    }

    @Override
    public boolean preparesCalls(Operation operation) {
        return operation == Operation.BACKWARD;
    }

    @Override
    public Variant prepare(String variant, Operation operation, BenchShape shape, Inputs inputs) {
        return new Call(operation, shape, inputs);
    }

    private static final class Call implements Variant {
        private final Operation operation;
        private final NDManager manager = NDManager.newBaseManager("PyTorch");
        private final NDArray x;
        private final NDArray dy;
        private final NDArray gamma;
        private final NDArray beta;
        private final NDArray runningMean;
        private final NDArray runningVar;
        private Map<String, float[]> results = Map.of();
        private @Nullable Forward forward;

        Call(Operation operation, BenchShape shape, Inputs in) {
            this.operation = operation;
            Shape extents = new Shape(
                    shape.extents().stream().mapToLong(Long::longValue).toArray());
            x = manager.create(in.x(), extents);
            gamma = manager.create(in.gamma());
            beta = manager.create(in.beta());
            runningMean = manager.create(in.runningMean());
            runningVar = manager.create(in.runningVar());
            if (operation == Operation.BACKWARD) {
                dy = manager.create(in.dy(), extents);
                x.setRequiresGradient(true);
                gamma.setRequiresGradient(true);
                beta.setRequiresGradient(true);
            } else {
                dy = x;
            }
        }

        /** The forward that the backward goes back through. */
        @Override
        public void prepareCall() {
            if (operation != Operation.BACKWARD) {
                return;
            }
            closeForward();
            NDManager scope = manager.newSubManager();
            GradientCollector collector = Engine.getEngine("PyTorch").newGradientCollector();
            NDArray loss = batchNorm(scope).mul(dy).sum();
            loss.attach(scope);
            forward = new Forward(scope, collector, loss);
        }

        @Override
        public void run() {
            if (operation == Operation.BACKWARD) {
                backward();
                return;
            }
            try (NDManager scope = manager.newSubManager()) {
                NDArray y = batchNorm(scope);
                if (results.isEmpty()) {
                    results = Map.of(Expected.Y, y.toFloatArray());
                }
            }
        }

        private void backward() {
            Forward before = Objects.requireNonNull(forward, "a backward without a forward");
            before.collector().backward(before.loss());
            if (results.isEmpty()) {
                results = Map.of(
                        Expected.DX, x.getGradient().toFloatArray(),
                        Expected.DGAMMA, gamma.getGradient().toFloatArray(),
                        Expected.DBETA, beta.getGradient().toFloatArray());
            }
        }

        private void closeForward() {
            if (forward != null) {
                forward.collector().close();
                forward.scope().close();
                forward = null;
            }
        }

        private NDArray batchNorm(NDManager scope) {
            boolean training = operation != Operation.INFERENCE;
            NDArray y = BatchNorm.batchNorm(
                            x, runningMean, runningVar, gamma, beta, 1, MOMENTUM, (float) Inputs.EPS, training)
                    .singletonOrThrow();
            y.attach(scope);
            return y;
        }

        @Override
        public Map<String, float[]> results() {
            return results;
        }

        @Override
        public void close() {
            closeForward();
            manager.close();
        }
    }

    /** A forward that was recorded, and its loss. */
    private record Forward(NDManager scope, GradientCollector collector, NDArray loss) {}
}

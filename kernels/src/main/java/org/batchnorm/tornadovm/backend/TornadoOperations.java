package org.batchnorm.tornadovm.backend;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Moments;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;
import org.batchnorm.tornadovm.backend.HostPlan.Operation;
import org.jspecify.annotations.Nullable;

/**
 * Host data to the device and back: finds the plan of each operation, and copies what is not in a
 * {@link TransferBuffer}.
 *
 * <p>Forward and backward are fused: one trip to the device each. The stages are trips of their own. Between them the
 * host holds moments and sums in double precision, as the device computed them.
 */
final class TornadoOperations implements BatchNormOperations {
    /** Of plans that hand out nothing in which eps is. */
    private static final double ANY_EPS = BatchNormConfig.DEFAULT_EPS;

    private final DeviceSession session;
    private final long minimumElements;
    private final AtomicBoolean closed = new AtomicBoolean();

    /**
     * Operations on a device.
     *
     * @param session to be closed with this
     * @param minimumElements from which size on {@code auto} sends a batch to the device
     */
    TornadoOperations(DeviceSession session, long minimumElements) {
        this.session = session;
        this.minimumElements = minimumElements;
    }

    @Override
    public void collectStatistics(Tensors tensors, Moments moments) {
        require(tensors);
        moments.clear();
        Work work = new Work(Operation.COLLECT_STATISTICS, ANY_EPS, tensors.x(), null, null);
        run(work, plan -> {}, plan -> plan.readMoments(moments));
    }

    @Override
    public void transform(Tensors tensors, Normalization normalization) {
        require(tensors);
        boolean through = normalization.throughStatistics();
        Operation operation = through ? Operation.TRANSFORM : Operation.INFERENCE;
        run(
                new Work(operation, normalization.eps(), tensors.x(), null, tensors.y()),
                plan -> {
                    plan.parameters(normalization.gamma(), normalization.beta());
                    if (through) {
                        plan.statistics(normalization.statistics());
                    } else {
                        plan.runningStatistics(normalization.statistics());
                    }
                },
                plan -> {});
    }

    @Override
    public void forward(Tensors tensors, Normalization normalization) {
        require(tensors);
        run(
                new Work(Operation.FORWARD, normalization.eps(), tensors.x(), null, tensors.y()),
                plan -> plan.parameters(normalization.gamma(), normalization.beta()),
                plan -> plan.readStatistics(normalization.statistics()));
    }

    @Override
    public void reduceGradients(Tensors tensors, Normalization normalization, GradientSums sums) {
        require(tensors);
        BatchStatistics statistics = normalization.statistics();
        boolean ofBatch = normalization.throughStatistics()
                && statistics.count() == tensors.x().shape().valuesPerFeature();
        Operation operation = ofBatch ? Operation.REDUCE_BATCH_GRADIENTS : Operation.REDUCE_GRADIENTS;
        Work work = new Work(operation, ANY_EPS, tensors.x(), tensors.dy(), null);
        sums.clear();
        run(
                work,
                plan -> {
                    if (ofBatch) {
                        plan.batchStatistics(statistics);
                    } else {
                        plan.statistics(statistics);
                    }
                },
                plan -> plan.readSums(sums));
    }

    @Override
    public void inputGradient(Tensors tensors, Normalization normalization, GradientSums sums) {
        require(tensors);
        if (!normalization.throughStatistics()) {
            run(
                    new Work(Operation.FROZEN_INPUT_GRADIENT, ANY_EPS, tensors.dy(), null, tensors.dx()),
                    plan -> {
                        plan.parameters(normalization.gamma(), null);
                        plan.statistics(normalization.statistics());
                    },
                    plan -> {});
            return;
        }
        run(
                new Work(Operation.INPUT_GRADIENT, normalization.eps(), tensors.x(), tensors.dy(), tensors.dx()),
                plan -> {
                    plan.parameters(normalization.gamma(), null);
                    plan.statistics(normalization.statistics());
                    plan.sums(sums);
                },
                plan -> {});
    }

    @Override
    public void backward(Tensors tensors, Normalization normalization, GradientSums sums) {
        require(tensors);
        Operation operation = normalization.throughStatistics() ? Operation.BACKWARD : Operation.FROZEN_BACKWARD;
        Work work = new Work(operation, normalization.eps(), tensors.x(), tensors.dy(), tensors.dx());
        sums.clear();
        run(
                work,
                plan -> {
                    plan.parameters(normalization.gamma(), null);
                    plan.statistics(normalization.statistics());
                },
                plan -> plan.readGradients(sums, work.valuesPerFeature()));
    }

    /**
     * Runs an operation on a batch. The result reaches the caller's memory only when all of it is there.
     *
     * @param before writes the per-feature inputs
     * @param after reads the per-feature outputs
     */
    private void run(Work work, Consumer<HostPlan> before, Consumer<HostPlan> after) {
        if (work.shape().elements() == 0) {
            return;
        }
        session.run(
                () -> {
                    requireOpen();
                    return work.key();
                },
                plan -> {
                    work.write(plan);
                    before.accept(plan);
                },
                plan -> {
                    after.accept(plan);
                    work.read(plan);
                });
    }

    private void require(Tensors tensors) {
        requireOpen();
        if (tensors.residual() != null || tensors.dresidual() != null) {
            throw new IllegalArgumentException(
                    "residual: given, but the backend tornadovm adds none; add it to y yourself");
        }
    }

    private void requireOpen() {
        if (closed.get()) {
            throw new IllegalStateException("the backend tornadovm is closed; open it anew");
        }
    }

    @Override
    public boolean prefers(BatchShape shape) {
        return shape.elements() >= minimumElements && HostPlan.isAddressable(shape);
    }

    @Override
    public void close() {
        if (closed.compareAndSet(false, true)) {
            session.close();
        }
    }

    /**
     * One operation on the caller's memory.
     *
     * @param x the first input
     * @param dy the second one; null where the operation has none
     * @param out null where the operation gives numbers per feature only
     */
    private record Work(
            Operation operation,
            double eps,
            Batch x,
            @Nullable Batch dy,
            @Nullable Batch out) {

        BatchShape shape() {
            return x.shape();
        }

        long valuesPerFeature() {
            return x.shape().valuesPerFeature();
        }

        /** The plan that fits, with the caller's buffers where they can be used as they are. */
        HostPlan.Key key() {
            BatchShape capacity = HostPlan.capacity("shape", shape());
            TransferBuffer bufferOfX = buffer(x, capacity);
            TransferBuffer bufferOfDy = buffer(dy, capacity);
            TransferBuffer bufferOfOut = buffer(out, capacity);
            boolean inPlace = bufferOfOut == bufferOfX || bufferOfOut == bufferOfDy;
            return new HostPlan.Key(operation, capacity, eps, bufferOfX, bufferOfDy, inPlace ? null : bufferOfOut);
        }

        private static @Nullable TransferBuffer buffer(@Nullable Batch batch, BatchShape capacity) {
            return batch == null ? null : TransferBuffer.of(batch.segment(), capacity.elements());
        }

        void write(HostPlan plan) {
            plan.samples(Capacity.flatten(shape()).n());
            if (plan.key().x() == null) {
                copy(x.segment(), plan.x());
            }
            if (dy != null && plan.key().dy() == null) {
                copy(dy.segment(), plan.dy());
            }
        }

        void read(HostPlan plan) {
            if (out != null && plan.key().out() == null) {
                copy(plan.out(), out.segment());
            }
        }

        private void copy(MemorySegment from, MemorySegment to) {
            MemorySegment.copy(from, 0, to, 0, shape().bytes());
        }
    }
}

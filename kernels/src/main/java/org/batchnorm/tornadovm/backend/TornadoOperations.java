package org.batchnorm.tornadovm.backend;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.tornadovm.backend.HostPlan.Operation;
import org.jspecify.annotations.Nullable;

/**
 * Host data to the device and back: finds the plan of each operation, and copies what is not in a
 * {@link TransferBuffer}.
 */
final class TornadoOperations implements BatchNormOperations {
    /**
     * Backward finds eps in rstd, but for two values per feature, which the layer computes itself and never hands to a
     * backend: so one plan serves layers of every eps.
     */
    private static final double EPS_OF_BACKWARD = BatchNormConfig.DEFAULT_EPS;

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
    public void collectStatistics(BatchShape shape, MemorySegment x, double eps, BatchStatistics statistics) {
        Batch batch = new Batch(Operation.COLLECT_STATISTICS, shape, eps, x, null, null);
        run(batch, plan -> {}, plan -> read(plan, statistics));
    }

    @Override
    public void forward(
            BatchShape shape,
            MemorySegment x,
            MemorySegment y,
            float @Nullable [] gamma,
            float @Nullable [] beta,
            double eps,
            BatchStatistics statistics) {
        Batch batch = new Batch(Operation.FORWARD, shape, eps, x, null, y);
        run(batch, plan -> plan.parameters(gamma, beta), plan -> read(plan, statistics));
    }

    @Override
    public void inference(
            BatchShape shape,
            MemorySegment x,
            MemorySegment y,
            float @Nullable [] gamma,
            float @Nullable [] beta,
            float[] mean,
            float[] variance,
            double eps) {
        Batch batch = new Batch(Operation.INFERENCE, shape, eps, x, null, y);
        run(
                batch,
                plan -> {
                    plan.parameters(gamma, beta);
                    plan.runningStatistics(mean, variance);
                },
                plan -> {});
    }

    @Override
    public void backward(
            BatchShape shape,
            MemorySegment x,
            MemorySegment dy,
            MemorySegment dx,
            float @Nullable [] gamma,
            BatchStatistics statistics,
            boolean throughStatistics,
            float[] dgamma,
            float[] dbeta) {
        if (shape.elements() == 0) {
            Arrays.fill(dgamma, 0);
            Arrays.fill(dbeta, 0);
        }
        Operation operation = throughStatistics ? Operation.BACKWARD : Operation.FROZEN_BACKWARD;
        Batch batch = new Batch(operation, shape, EPS_OF_BACKWARD, x, dy, dx);
        run(
                batch,
                plan -> {
                    plan.parameters(gamma, null);
                    plan.statistics(statistics.mean(), statistics.meanLow(), statistics.variance(), statistics.rstd());
                },
                plan -> plan.readGradients(dgamma, dbeta));
    }

    private static void read(HostPlan plan, BatchStatistics statistics) {
        plan.readStatistics(statistics.mean(), statistics.meanLow(), statistics.variance(), statistics.rstd());
    }

    /**
     * Runs an operation on a batch. The result reaches the caller's memory only when all of it is there.
     *
     * @param before writes the per-feature inputs
     * @param after reads the per-feature outputs
     */
    private void run(Batch batch, Consumer<HostPlan> before, Consumer<HostPlan> after) {
        requireOpen();
        if (batch.shape().elements() == 0) {
            return;
        }
        session.run(
                () -> {
                    requireOpen();
                    return batch.key();
                },
                plan -> {
                    batch.write(plan);
                    before.accept(plan);
                },
                plan -> {
                    after.accept(plan);
                    batch.read(plan);
                });
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

    /** The caller's memory in one operation. */
    private record Batch(
            Operation operation,
            BatchShape shape,
            double eps,
            MemorySegment x,
            @Nullable MemorySegment dy,
            @Nullable MemorySegment out) {

        /** The plan that fits, with the caller's buffers where they can be used as they are. */
        HostPlan.Key key() {
            BatchShape capacity = HostPlan.capacity("shape", shape);
            TransferBuffer bufferOfX = buffer(x, capacity);
            TransferBuffer bufferOfDy = buffer(dy, capacity);
            TransferBuffer bufferOfOut = buffer(out, capacity);
            boolean inPlace = bufferOfOut == bufferOfX || bufferOfOut == bufferOfDy;
            return new HostPlan.Key(operation, capacity, eps, bufferOfX, bufferOfDy, inPlace ? null : bufferOfOut);
        }

        private static @Nullable TransferBuffer buffer(@Nullable MemorySegment segment, BatchShape capacity) {
            return segment == null ? null : TransferBuffer.of(segment, capacity.elements());
        }

        void write(HostPlan plan) {
            plan.samples(Capacity.flatten(shape).n());
            if (plan.key().x() == null) {
                copy(x, plan.x());
            }
            if (dy != null && plan.key().dy() == null) {
                copy(dy, plan.dy());
            }
        }

        void read(HostPlan plan) {
            if (out != null && plan.key().out() == null) {
                copy(plan.out(), out);
            }
        }

        private void copy(MemorySegment from, MemorySegment to) {
            MemorySegment.copy(from, 0, to, 0, shape.bytes());
        }
    }
}

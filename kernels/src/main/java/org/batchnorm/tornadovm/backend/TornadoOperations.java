package org.batchnorm.tornadovm.backend;

import java.lang.foreign.MemorySegment;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Consumer;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.Activation;
import org.batchnorm.spi.Activations;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Moments;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;
import org.batchnorm.tornadovm.backend.HostPlan.Fused;
import org.batchnorm.tornadovm.backend.HostPlan.Operation;
import org.batchnorm.tornadovm.backend.HostPlan.Tensor;
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
        requireOpen();
        Fused input = Fused.of(tensors.activations().withOutput(Activation.NONE));
        Work work = new Work(Operation.COLLECT_STATISTICS, input, ANY_EPS, Operands.of(tensors.x(), null, null));
        moments.clear();
        run(work, plan -> {}, plan -> plan.readMoments(moments));
    }

    /**
     * With an activation behind it a map with given statistics takes rstd as backward gets it, in the type of the
     * parameters, so that both see the same signs; else the device computes it, in float64. So it does with a residual,
     * where backward's signs are those of y.
     */
    @Override
    public void transform(Tensors tensors, Normalization normalization) {
        requireOpen();
        boolean through = normalization.throughStatistics();
        boolean sameSigns = !tensors.activations().output().isNone() && tensors.residual() == null;
        run(
                Work.forward(through || sameSigns ? Operation.TRANSFORM : Operation.INFERENCE, normalization, tensors),
                plan -> {
                    plan.layer().putParameters(normalization);
                    if (through) {
                        plan.layer().putStatistics(normalization.statistics());
                    } else if (sameSigns) {
                        plan.layer().putGiven(normalization.statistics(), normalization.eps());
                    } else {
                        plan.layer().putRunning(normalization.statistics());
                    }
                },
                plan -> {});
    }

    @Override
    public void forward(Tensors tensors, Normalization normalization) {
        requireOpen();
        run(
                Work.forward(Operation.FORWARD, normalization, tensors),
                plan -> plan.layer().putParameters(normalization),
                plan -> plan.layer().readStatistics(normalization.statistics()));
    }

    @Override
    public void reduceGradients(Tensors tensors, Normalization normalization, GradientSums sums) {
        requireOpen();
        BatchStatistics statistics = normalization.statistics();
        boolean knowsOwnMean = normalization.throughStatistics()
                && (statistics.count() == tensors.shape().valuesPerFeature() || statistics.part() != null);
        Operation operation = knowsOwnMean ? Operation.REDUCE_PART_GRADIENTS : Operation.REDUCE_GRADIENTS;
        Work work = Work.backward(operation, ANY_EPS, tensors, null);
        sums.clear();
        run(
                work,
                plan -> {
                    plan.layer().putParameters(normalization);
                    plan.layer().putStatistics(statistics);
                    if (knowsOwnMean) {
                        plan.moments(statistics);
                    }
                },
                plan -> plan.readSums(sums));
    }

    @Override
    public void inputGradient(Tensors tensors, Normalization normalization, GradientSums sums) {
        requireOpen();
        boolean through = normalization.throughStatistics();
        run(
                inputGradient(tensors, normalization),
                plan -> {
                    plan.layer().putParameters(normalization);
                    plan.layer().putStatistics(normalization.statistics());
                    if (through) {
                        plan.sums(sums);
                    }
                },
                plan -> {});
    }

    /** Where there is a dresidual it stands for dy, and the activation after batch norm is behind it. */
    private static Work inputGradient(Tensors tensors, Normalization normalization) {
        Batch dresidual = tensors.dresidual();
        Batch dy = dresidual == null ? tensors.dy() : dresidual;
        Activations activations = tensors.activations();
        Activations behind = dresidual == null ? activations : activations.withOutput(Activation.NONE);
        Fused fused = new Fused(behind, tensors.isFromOutput(), null, null);
        if (normalization.throughStatistics()) {
            Operands operands = Operands.of(tensors.x(), dy, tensors.dx());
            return new Work(Operation.INPUT_GRADIENT, fused, normalization.eps(), operands);
        }
        return fused.activations().areNone()
                ? new Work(Operation.FROZEN_INPUT_GRADIENT, Fused.NOTHING, ANY_EPS, Operands.of(dy, null, tensors.dx()))
                : new Work(
                        Operation.FROZEN_INPUT_GRADIENT_OF_X,
                        fused,
                        ANY_EPS,
                        Operands.of(tensors.x(), dy, tensors.dx()));
    }

    @Override
    public void backward(Tensors tensors, Normalization normalization, GradientSums sums) {
        requireOpen();
        Operation operation = normalization.throughStatistics() ? Operation.BACKWARD : Operation.FROZEN_BACKWARD;
        Work work = Work.backward(operation, normalization.eps(), tensors, tensors.dx());
        sums.clear();
        run(
                work,
                plan -> {
                    plan.layer().putParameters(normalization);
                    plan.layer().putStatistics(normalization.statistics());
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

    private void requireOpen() {
        if (closed.get()) {
            throw new IllegalStateException("the backend tornadovm is closed; open it anew");
        }
    }

    @Override
    public void requireTaken(Tensors tensors) {
        HostPlan.requireAddressable("shape", tensors.shape());
    }

    @Override
    public boolean doesActivations() {
        return true;
    }

    @Override
    public boolean doesBackwardFromOutput() {
        return true;
    }

    @Override
    public boolean takes16Bit() {
        return session.takes16Bit();
    }

    @Override
    public String whyNo16Bit() {
        return session.whyNo16Bit();
    }

    /** Every device that is usable has float64. */
    @Override
    public boolean takesFloat64() {
        return true;
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
     * The caller's memory in one operation.
     *
     * @param x the first input
     * @param dy the second one; null where the operation has none
     * @param out null where the operation gives numbers per feature only
     * @param residual the residual, or y in a backward with one; null without
     * @param dresidual null without
     */
    private record Operands(
            Batch x,
            @Nullable Batch dy,
            @Nullable Batch out,
            @Nullable Batch residual,
            @Nullable Batch dresidual) {

        static Operands of(Batch x, @Nullable Batch dy, @Nullable Batch out) {
            return new Operands(x, dy, out, null, null);
        }

        Fused fused(Tensors tensors) {
            return new Fused(
                    tensors.activations(),
                    tensors.isFromOutput(),
                    residual == null ? null : residual.type(),
                    dresidual == null ? null : dresidual.type());
        }
    }

    /**
     * One operation on the caller's memory.
     *
     * @param on that memory
     */
    private record Work(Operation operation, Fused fused, double eps, Operands on) {

        /** Refuses what is too large, before anything is changed. */
        Work {
            HostPlan.requireAddressable("shape", on.x.shape());
        }

        static Work forward(Operation operation, Normalization normalization, Tensors tensors) {
            Operands on = new Operands(tensors.x(), null, tensors.y(), tensors.residual(), null);
            return new Work(operation, on.fused(tensors), normalization.eps(), on);
        }

        static Work backward(Operation operation, double eps, Tensors tensors, @Nullable Batch dx) {
            Batch dresidual = tensors.dresidual();
            Batch y = dresidual == null ? null : tensors.y();
            Operands on = new Operands(tensors.x(), tensors.dy(), dx, y, dresidual);
            return new Work(operation, on.fused(tensors), eps, on);
        }

        BatchShape shape() {
            return on.x.shape();
        }

        long valuesPerFeature() {
            return shape().valuesPerFeature();
        }

        /** The plan that fits, with the caller's buffers where they can be used as they are. */
        HostPlan.Key key() {
            BatchShape capacity = HostPlan.capacity("shape", shape());
            Tensor x = tensor(on.x, capacity);
            Tensor dy = tensor(on.dy, capacity);
            Tensor out = tensor(on.out, capacity);
            // A new plan runs once on anything, before inputs are written, and spoils all of its output's buffer.
            boolean holdsInput =
                    liesIn(out.buffer(), on.x) || liesIn(out.buffer(), on.dy) || liesIn(out.buffer(), on.residual);
            return new HostPlan.Key(
                    operation, fused, capacity, eps, x, dy, holdsInput ? new Tensor(out.type(), null) : out);
        }

        private static boolean liesIn(@Nullable TransferBuffer buffer, @Nullable Batch batch) {
            return buffer != null
                    && batch != null
                    && buffer.segment().asOverlappingSlice(batch.segment()).isPresent();
        }

        private static Tensor tensor(@Nullable Batch batch, BatchShape capacity) {
            if (batch == null) {
                return Tensor.NONE;
            }
            long bytes = capacity.elements() * batch.type().bytes();
            return new Tensor(batch.type(), TransferBuffer.of(batch.segment(), bytes));
        }

        void write(HostPlan plan) {
            plan.samples(Capacity.flatten(shape()).n());
            if (plan.key().x().buffer() == null) {
                write(on.x, plan.x());
            }
            if (on.dy != null && plan.key().dy().buffer() == null) {
                write(on.dy, plan.dy());
            }
            if (on.residual != null) {
                write(on.residual, plan.residual());
            }
        }

        void read(HostPlan plan) {
            if (on.out != null && plan.key().out().buffer() == null) {
                read(plan.out(), on.out);
            }
            if (on.dresidual != null) {
                read(plan.dresidual(), on.dresidual);
            }
        }

        private static void write(Batch from, MemorySegment to) {
            MemorySegment.copy(from.segment(), 0, to, 0, from.bytes());
        }

        private static void read(MemorySegment from, Batch to) {
            MemorySegment.copy(from, 0, to.segment(), 0, to.bytes());
        }
    }
}

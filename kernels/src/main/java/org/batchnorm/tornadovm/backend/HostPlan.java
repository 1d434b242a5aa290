package org.batchnorm.tornadovm.backend;

import java.lang.foreign.MemorySegment;
import java.util.Locale;
import java.util.OptionalDouble;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.spi.Activations;
import org.batchnorm.spi.BackendUnavailableException;
import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Moments;
import org.batchnorm.tornadovm.BatchNormTasks;
import org.batchnorm.tornadovm.Pieces;
import org.batchnorm.tornadovm.SampleCount;
import org.batchnorm.tornadovm.Summaries;
import org.jspecify.annotations.Nullable;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.exceptions.TornadoExecutionPlanException;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/**
 * One operation for one class of batches on one device: a task graph of {@link BatchNormTasks} with explicit transfers,
 * compiled.
 *
 * <pre>
 *   host x ──▶ device x ── tasks ──▶ device y ──▶ host y
 *   host gamma, beta, statistics ──▶     └──▶ host statistics, gradients
 * </pre>
 *
 * The result replaces the input on the device, and in the plan's own host memory; only into and out of a
 * {@link TransferBuffer} of the caller's it has its own. Belongs to a {@link DeviceSession}, which uses it by one
 * thread at a time.
 */
final class HostPlan {

    /**
     * The operations of {@link org.batchnorm.spi.BatchNormOperations}: the stages and the whole ones, with the batch's
     * own statistics and with given ones apart.
     */
    enum Operation {
        COLLECT_STATISTICS(false, false),
        FORWARD(false, true),
        TRANSFORM(false, true),
        INFERENCE(false, true),
        REDUCE_GRADIENTS(true, false),
        /** With the moments of this very batch, which may be a part of that whose statistics are given. */
        REDUCE_PART_GRADIENTS(true, false),
        INPUT_GRADIENT(true, true),
        /** Its one input is dy, which stands in the place of x. */
        FROZEN_INPUT_GRADIENT(false, true),
        /** Of a layer with activations, whose signs are those of x. */
        FROZEN_INPUT_GRADIENT_OF_X(true, true),
        BACKWARD(true, true),
        FROZEN_BACKWARD(true, true);

        private final boolean hasTwoInputs;
        private final boolean hasOutput;

        Operation(boolean hasTwoInputs, boolean hasOutput) {
            this.hasTwoInputs = hasTwoInputs;
            this.hasOutput = hasOutput;
        }

        /** Whether there is a dy beside x. */
        boolean hasTwoInputs() {
            return hasTwoInputs;
        }

        @Override
        public String toString() {
            return name().toLowerCase(Locale.ROOT).replace('_', ' ');
        }
    }

    /**
     * What an operation does beside batch normalization.
     *
     * @param activations before and after it
     * @param fromOutput whether y is given in the place of x, of which gradients are then made
     * @param residual the type of the residual, or of y in a backward with one; null: there is none
     * @param dresidual the type of its gradient; null: none is taken
     */
    record Fused(
            Activations activations,
            boolean fromOutput,
            @Nullable ElementType residual,
            @Nullable ElementType dresidual) {
        static final Fused NOTHING = of(Activations.NONE);

        /** Without a residual, and of x. */
        static Fused of(Activations activations) {
            return new Fused(activations, false, null, null);
        }

        boolean hasResidual() {
            return residual != null;
        }
    }

    /**
     * A tensor of an operation.
     *
     * @param type of its values
     * @param buffer the caller's memory that it lies in; null: the plan's own
     */
    record Tensor(ElementType type, @Nullable TransferBuffer buffer) {
        /** In the place of one that there is not. */
        static final Tensor NONE = new Tensor(ElementType.FLOAT32, null);
    }

    /**
     * What a plan is compiled for.
     *
     * @param fused compiled into the kernels
     * @param capacity the largest batch
     * @param eps compiled into the kernels
     * @param x the first input
     * @param dy the second one; {@link Tensor#NONE} where the operation has none
     * @param out y or dx, in no input's buffer; without one in the memory of an input, if that is the plan's own and of
     *     the same type
     */
    record Key(Operation operation, Fused fused, BatchShape capacity, double eps, Tensor x, Tensor dy, Tensor out) {

        /** Batch normalization alone, of float32. */
        Key(
                Operation operation,
                BatchShape capacity,
                double eps,
                @Nullable TransferBuffer x,
                @Nullable TransferBuffer dy,
                @Nullable TransferBuffer out) {
            this(operation, Fused.NOTHING, capacity, eps, float32(x), float32(dy), float32(out));
        }

        private static Tensor float32(@Nullable TransferBuffer buffer) {
            return new Tensor(ElementType.FLOAT32, buffer);
        }

        /** The type of the layer. */
        ElementType ofParameters() {
            return x.type == ElementType.FLOAT64 ? ElementType.FLOAT64 : ElementType.FLOAT32;
        }

        boolean uses(TransferBuffer buffer) {
            return x.buffer == buffer || dy.buffer == buffer || out.buffer == buffer;
        }
    }

    private final Key key;
    private final Devices.Device device;
    private final BatchNormTasks tasks;
    private final LayerArrays layer;
    private final SampleCount samples;
    private final HostArrays arrays;
    private final GridScheduler grids = new GridScheduler();
    private final TornadoExecutionPlan plan;
    private int executions;
    private boolean closed;

    /** Builds the plan; the first {@link #execute} compiles it. */
    HostPlan(Key key, Devices.Device device) {
        this.key = key;
        this.device = device;
        Operation operation = key.operation();
        BatchShape capacity = key.capacity();
        this.arrays = arrays(key);
        this.samples = SampleCount.atMost(Math.toIntExact(capacity.n()));
        BatchNormConfig config = new BatchNormConfig(
                capacity.c(),
                key.eps(),
                OptionalDouble.empty(),
                true,
                operation == Operation.INFERENCE,
                key.ofParameters());
        this.tasks = BatchNormTasks.builder("norm", config, capacity)
                .inputActivation(key.fused().activations().input())
                .activation(key.fused().activations().output())
                .recomputeInputFromOutput(key.fused().fromOutput())
                .build(device.handle());
        this.layer = LayerArrays.of(tasks);
        TaskGraph graph = new TaskGraph(operation.name().toLowerCase(Locale.ROOT));
        addTo(graph);
        this.plan = BatchNormTasks.configure(new TornadoExecutionPlan(graph.snapshot()), grids, device.handle());
    }

    private void addTo(TaskGraph graph) {
        Operation operation = key.operation();
        toDevice(graph, arrays.x());
        if (operation.hasTwoInputs) {
            toDevice(graph, arrays.dy());
        }
        if (key.fused().hasResidual()) {
            toDevice(graph, arrays.residual());
        }
        Pieces pieces = tasks.on(graph, grids, samples);
        new OperationTasks(key, graph, layer, arrays).add(pieces);
        if (operation.hasOutput) {
            toHost(graph, arrays.out());
        }
        toHost(graph, samples.array());
    }

    static void toDevice(TaskGraph graph, Object... arrays) {
        graph.transferToDevice(DataTransferMode.EVERY_EXECUTION, arrays);
    }

    static void toHost(TaskGraph graph, Object... arrays) {
        graph.transferToHost(DataTransferMode.EVERY_EXECUTION, arrays);
    }

    private static HostArrays arrays(Key key) {
        BatchShape capacity = key.capacity();
        TornadoNativeArray x = HostArrays.of(key.x().type(), key.x().buffer(), capacity);
        TornadoNativeArray dy = key.operation().hasTwoInputs
                ? HostArrays.of(key.dy().type(), key.dy().buffer(), capacity)
                : x;
        ElementType residualType = key.fused().residual();
        ElementType dresidualType = key.fused().dresidual();
        TornadoNativeArray residual = residualType == null ? x : HostArrays.allocate(residualType, capacity);
        TornadoNativeArray dresidual = dresidualType == null || dresidualType == residualType
                ? residual
                : HostArrays.allocate(dresidualType, capacity);
        return new HostArrays(
                x,
                dy,
                out(key, x, dy),
                residual,
                dresidual,
                Summaries.array(capacity.c(), key.ofParameters()),
                Summaries.array(capacity.c(), key.ofParameters()));
    }

    /** The array of the output: an input's, where nobody else's memory and no other type is asked for. */
    private static TornadoNativeArray out(Key key, TornadoNativeArray x, TornadoNativeArray dy) {
        if (!key.operation().hasOutput) {
            return x;
        }
        if (key.out().buffer() == null) {
            if (key.operation().hasTwoInputs && key.dy().equals(key.out())) {
                return dy;
            }
            if (key.x().equals(key.out())) {
                return x;
            }
        }
        return HostArrays.of(key.out().type(), key.out().buffer(), key.capacity());
    }

    /**
     * The class of a batch, checked.
     *
     * @param argument what the caller named the shape
     * @throws IllegalArgumentException if it has more values than TornadoVM can address
     */
    static BatchShape capacity(String argument, BatchShape shape) {
        requireAddressable(argument, shape);
        return Capacity.of(Capacity.flatten(shape), BatchNormTasks.MAX_ELEMENTS);
    }

    /**
     * Refuses a batch with more values than TornadoVM can address.
     *
     * @param argument what the caller named the shape
     */
    static void requireAddressable(String argument, BatchShape shape) {
        if (!isAddressable(shape)) {
            throw new IllegalArgumentException(argument + ": " + shape + " has " + shape.elements()
                    + " values, the backend tornadovm takes at most " + BatchNormTasks.MAX_ELEMENTS
                    + ", because TornadoVM's arrays are indexed by int; give smaller batches or choose a CPU backend");
        }
    }

    /** Whether TornadoVM's arrays can hold a batch. */
    static boolean isAddressable(BatchShape shape) {
        return shape.elements() <= BatchNormTasks.MAX_ELEMENTS;
    }

    Key key() {
        return key;
    }

    // ---- what the caller's thread writes before an execution and reads after it

    /** The values of the input x, as far as they are the plan's own memory. */
    MemorySegment x() {
        return arrays.x().getSegment();
    }

    /** The values of the input dy. */
    MemorySegment dy() {
        return arrays.dy().getSegment();
    }

    /** The values of the output y or dx. */
    MemorySegment out() {
        return arrays.out().getSegment();
    }

    /** The values of the residual or of y. */
    MemorySegment residual() {
        return arrays.residual().getSegment();
    }

    /** The values of dresidual after an execution. */
    MemorySegment dresidual() {
        return arrays.dresidual().getSegment();
    }

    void samples(long n) {
        samples.set(Math.toIntExact(n));
    }

    /** The per-feature arrays of the layer. */
    LayerArrays layer() {
        return layer;
    }

    /** The moments that {@link Operation#REDUCE_PART_GRADIENTS} needs: of a part, or else those of the statistics. */
    void moments(BatchStatistics statistics) {
        Moments ofBatch = statistics.part();
        if (ofBatch == null) {
            ofBatch = new Moments(key.capacity().c());
            statistics.copyTo(ofBatch);
        }
        Summaries.write(ofBatch, arrays.moments());
    }

    /** The sums that {@link Operation#INPUT_GRADIENT} needs. */
    void sums(GradientSums sums) {
        Summaries.write(sums, arrays.summary());
    }

    /** Of {@link Operation#COLLECT_STATISTICS}. */
    void readMoments(Moments moments) {
        Summaries.read(arrays.summary(), moments);
    }

    /** Of {@link Operation#REDUCE_GRADIENTS} and {@link Operation#REDUCE_PART_GRADIENTS}. */
    void readSums(GradientSums sums) {
        Summaries.read(arrays.summary(), sums);
    }

    /** Of a whole backward, which has only the gradients of γ and β. */
    void readGradients(GradientSums sums, long count) {
        layer.readGradients(sums);
        sums.count(count);
    }

    // ---- on the device's thread

    /**
     * Transfers, computes, transfers back, and sees whether all kernels have run.
     *
     * @throws BackendUnavailableException if that failed; then the outputs hold nothing of use
     */
    void execute() {
        if (closed) {
            throw new IllegalStateException("the plan is closed");
        }
        int kernels = grids.keySet().size();
        int before = executions * kernels;
        executions++;
        samples.array().set(1, before);
        plan.execute();
        int ran = samples.array().get(1) - before;
        if (ran != kernels) {
            throw Faults.unfinished(key.operation(), device.id(), ran, kernels);
        }
    }

    /** The grid of each kernel, by "graph.task". */
    GridScheduler grids() {
        return grids;
    }

    /**
     * What TornadoVM counts as allocated on the device for it, in bytes: in 5.2 only what its last transfer to the
     * device needed.
     */
    long deviceMemory() {
        return plan.getCurrentDeviceMemoryUsage();
    }

    /**
     * Frees the device's memory. Idempotent; TornadoVM itself would execute a closed plan, and never free what that
     * takes.
     */
    void close() throws TornadoExecutionPlanException {
        if (!closed) {
            closed = true;
            plan.close();
        }
    }

    @Override
    public String toString() {
        return key.operation() + " of up to " + key.capacity() + " on device " + device.id();
    }
}

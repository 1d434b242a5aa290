package org.batchnorm.bench.tornadovm;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Stream;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.bench.jmh.device.DeviceTimer.Timing;
import org.batchnorm.bench.jmh.device.DeviceTimer.Version;
import org.batchnorm.bench.jmh.device.DeviceTimer.Way;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Expected;
import org.batchnorm.bench.workload.Inputs;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.bench.workload.Samples;
import org.batchnorm.data.BatchShape;
import org.batchnorm.state.Tensor;
import org.batchnorm.tornadovm.BatchNormTasks;
import org.batchnorm.tornadovm.DeviceLimits;
import org.batchnorm.tornadovm.Summaries;
import org.jspecify.annotations.Nullable;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.TornadoExecutionResult;
import uk.ac.manchester.tornado.api.WorkerGrid;
import uk.ac.manchester.tornado.api.WorkerGrid1D;
import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.enums.ProfilerMode;
import uk.ac.manchester.tornado.api.exceptions.TornadoExecutionPlanException;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/**
 * One operation on one shape as a graph of its own, to be checked and timed. A backward's statistics come from a
 * forward in a graph before it.
 */
final class TimedGraph implements AutoCloseable {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String NAME = "timed";
    private static final String BEFORE = "before";
    private static final String NORM = "norm";

    /** The order in which kernels run; TornadoVM's profile has its own. */
    private static final List<String> STEPS = List.of(
            "collectStatistics", "mergeStatistics", "reduceGradients", "mergeGradients", "transform", "inputGradient");

    private final Operation operation;
    private final BatchShape shape;
    private final FloatArray output;
    private final BatchNormTasks norm;
    private final GridScheduler grids = new GridScheduler();
    private final TornadoExecutionPlan plan;
    private final int graph;
    private boolean prepared;
    private @Nullable TornadoExecutionResult latest;

    /**
     * Builds the graph.
     *
     * @param inputs of all operations on the shape
     * @param limits decide grids and kernels
     */
    TimedGraph(
            Operation operation,
            BenchShape benchShape,
            Inputs inputs,
            Way way,
            DeviceLimits limits,
            TornadoDevice device) {
        this.operation = operation;
        this.shape = benchShape.batchShape();
        FloatArray x = FloatArray.fromArray(inputs.x());
        this.output = new FloatArray(benchShape.elements());
        int mode = way == Way.TRANSFERRED ? DataTransferMode.EVERY_EXECUTION : DataTransferMode.FIRST_EXECUTION;

        TaskGraph timed = new TaskGraph(NAME);
        TaskGraph before = new TaskGraph(BEFORE);
        this.norm = new BatchNormTasks(NORM, BatchNormConfig.of(shape.c()), shape, limits);
        norm.loadState(state(inputs));
        switch (operation) {
            case INFERENCE -> {
                timed.transferToDevice(mode, x);
                norm.on(timed, grids).inference(x, output);
            }
            case FORWARD -> {
                timed.transferToDevice(mode, x);
                norm.on(timed, grids).forward(x, output);
            }
            case BACKWARD -> {
                FloatArray dy = FloatArray.fromArray(inputs.dy());
                before.transferToDevice(DataTransferMode.FIRST_EXECUTION, x);
                DoubleArray moments = Summaries.array(shape.c());
                norm.on(before, grids).collectStatistics(x, moments);
                norm.on(before, grids).mergeStatistics(moments);
                before.persistOnDevice(x);
                if (way == Way.TRANSFERRED) {
                    timed.transferToDevice(mode, x, dy);
                } else {
                    timed.consumeFromDevice(BEFORE, x);
                    timed.persistOnDevice(x);
                    timed.transferToDevice(mode, dy);
                }
                norm.on(timed, grids).backward(x, dy, output);
            }
            case COPY -> {
                timed.transferToDevice(mode, x);
                addCopy(timed, x);
            }
            case STEP, STREAM, READ, READ2, STREAM2 ->
                throw new IllegalArgumentException("operation: " + operation + " given, must be one of "
                        + Operation.ofBatchNorm() + " or " + Operation.COPY);
        }
        if (way == Way.TRANSFERRED) {
            timed.transferToHost(DataTransferMode.EVERY_EXECUTION, output);
        } else {
            timed.persistOnDevice(output);
        }
        boolean backward = operation == Operation.BACKWARD;
        this.graph = backward ? 1 : 0;
        this.plan = backward
                ? new TornadoExecutionPlan(before.snapshot(), timed.snapshot())
                : new TornadoExecutionPlan(timed.snapshot());
        BatchNormTasks.configure(plan, grids, device);
        if (way == Way.REPLAYED) {
            plan.withCUDAGraph();
        }
    }

    private static Map<String, Tensor> state(Inputs inputs) {
        int c = inputs.gamma().length;
        return Map.of(
                "weight", Tensor.ofFloats(inputs.gamma(), c),
                "bias", Tensor.ofFloats(inputs.beta(), c),
                "running_mean", Tensor.ofFloats(inputs.runningMean(), c),
                "running_var", Tensor.ofFloats(inputs.runningVar(), c),
                "num_batches_tracked", Tensor.ofLong(0));
    }

    private void addCopy(TaskGraph timed, FloatArray x) {
        int perGroup = CopyKernel.GROUP * CopyKernel.VALUES;
        int n = output.getSize();
        WorkerGrid grid = new WorkerGrid1D(Math.ceilDiv(n, perGroup) * CopyKernel.GROUP);
        grid.setLocalWork(CopyKernel.GROUP, 1, 1);
        grids.addWorkerGrid(NAME + ".copy", grid);
        timed.task("copy", CopyKernel::copy, new KernelContext(), x, output, n);
    }

    /** Which kernels the pieces took; empty for a copy. */
    Optional<Version> version() {
        if (operation == Operation.COPY) {
            return Optional.empty();
        }
        boolean onChip = Stream.of("forwardOnChip", "backwardOnChip")
                .anyMatch(task -> grids.get(NAME + "." + NORM + "_" + task) != null);
        if (onChip) {
            return Optional.of(Version.ON_CHIP);
        }
        return Optional.of(shape.featuresContiguous() ? Version.ROWS : Version.PLANES);
    }

    private TornadoExecutionResult latest() {
        return Objects.requireNonNull(latest, "nothing was executed yet");
    }

    /** The nanoseconds of so many executions; the first includes compilation. */
    long execute(long times) {
        if (!prepared && graph == 1) {
            plan.withGraph(0).execute();
        }
        prepared = true;
        TornadoExecutionPlan selected = plan.withGraph(graph);
        long start = System.nanoTime();
        for (long i = 0; i < times; i++) {
            latest = selected.execute();
        }
        return System.nanoTime() - start;
    }

    /** The results of the latest execution, under the names of {@link Expected}; a copy's is its y. */
    Map<String, float[]> results() {
        latest().transferToHost(output);
        if (operation != Operation.BACKWARD) {
            return Map.of(Expected.Y, output.toHeapArray());
        }
        latest().transferToHost(norm.gradients());
        float[] gradients = norm.gradients().toHeapArray();
        return Map.of(
                Expected.DX, output.toHeapArray(),
                Expected.DGAMMA, Arrays.copyOf(gradients, shape.c()),
                Expected.DBETA, Arrays.copyOfRange(gradients, shape.c(), 2 * shape.c()));
    }

    /** Executes with TornadoVM's profiler, which reads the device's own clock. */
    Timing profile(int executions, double firstMillis, Samples wall) {
        plan.withProfiler(ProfilerMode.SILENT);
        double[] total = new double[executions];
        Map<String, double[]> kernels = new LinkedHashMap<>();
        for (int i = 0; i < executions; i++) {
            execute(1);
            total[i] = latest().getProfilerResult().getDeviceKernelTime();
            int execution = i;
            kernelNanos(latest().getProfilerResult().getProfileLog())
                    .forEach((task, nanos) ->
                            kernels.computeIfAbsent(task, key -> new double[executions])[execution] = nanos);
        }
        plan.withoutProfiler();
        Map<String, Double> medians = new LinkedHashMap<>();
        kernels.entrySet().stream()
                .sorted(Comparator.comparingInt(entry -> STEPS.indexOf(entry.getKey())))
                .forEach(entry ->
                        medians.put(entry.getKey(), Samples.of(entry.getValue()).medianMillis()));
        return new Timing(version(), firstMillis, wall, Optional.of(Samples.of(total)), medians);
    }

    private static Map<String, Double> kernelNanos(String log) {
        Map<String, Double> nanos = new LinkedHashMap<>();
        try {
            collect(JSON.readTree(log), nanos);
        } catch (JsonProcessingException e) {
            throw new IllegalStateException("TornadoVM's profile is not what was expected: " + log, e);
        }
        return nanos;
    }

    private static void collect(JsonNode node, Map<String, Double> nanos) {
        node.properties().forEach(property -> {
            JsonNode time = property.getValue().get("TASK_KERNEL_TIME");
            if (time != null) {
                String task = property.getKey().substring(property.getKey().indexOf('.') + 1);
                nanos.put(task.startsWith(NORM + "_") ? task.substring(NORM.length() + 1) : task, time.asDouble());
            } else if (property.getValue().isObject()) {
                collect(property.getValue(), nanos);
            }
        });
    }

    @Override
    public void close() {
        try {
            plan.close();
        } catch (TornadoExecutionPlanException e) {
            throw new IllegalStateException("the plan could not be closed", e);
        }
    }
}

package org.batchnorm.bench.tornadovm;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.IntStream;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.BatchShape;
import org.batchnorm.bench.device.DeviceTimer.Timing;
import org.batchnorm.bench.device.DeviceTimer.Way;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Inputs;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.bench.workload.Samples;
import org.batchnorm.conformance.Reference;
import org.batchnorm.tornadovm.BatchNormTasks;
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
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/** One operation on one shape as a graph of its own, to be checked and timed. A backward's statistics come from a forward in a graph before it. */
final class TimedGraph implements AutoCloseable {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final String NAME = "timed";
    private static final String BEFORE = "before";

    /** Features that are checked; checking all would take longer than the measurement. */
    private static final int CHECKED_FEATURES = 4;

    private static final double TOLERANCE = 1e-5;

    private final Operation operation;
    private final BatchShape shape;
    private final Inputs inputs;
    private final FloatArray output;
    private final TornadoExecutionPlan plan;
    private final int graph;
    private boolean prepared;
    private @Nullable TornadoExecutionResult latest;

    TimedGraph(Operation operation, BenchShape benchShape, Way way, TornadoDevice device) {
        this.operation = operation;
        this.shape = benchShape.batchShape();
        this.inputs = Inputs.of(operation, benchShape);
        FloatArray x = FloatArray.fromArray(inputs.x());
        FloatArray dy = FloatArray.fromArray(inputs.dy());
        this.output = new FloatArray(benchShape.elements());
        int mode = way == Way.TRANSFERRED ? DataTransferMode.EVERY_EXECUTION : DataTransferMode.FIRST_EXECUTION;

        GridScheduler grids = new GridScheduler();
        TaskGraph timed = new TaskGraph(NAME);
        TaskGraph before = new TaskGraph(BEFORE);
        BatchNormTasks norm = new BatchNormTasks("norm", BatchNormConfig.of(shape.c()), shape, device);
        switch (operation) {
            case INFERENCE -> {
                timed.transferToDevice(mode, x);
                norm.inference(timed, grids, x, output);
            }
            case FORWARD -> {
                timed.transferToDevice(mode, x);
                norm.forward(timed, grids, x, output);
            }
            case BACKWARD -> {
                before.transferToDevice(DataTransferMode.FIRST_EXECUTION, x);
                norm.collectStatistics(before, grids, x);
                before.persistOnDevice(x);
                if (way == Way.TRANSFERRED) {
                    timed.transferToDevice(mode, x, dy);
                } else {
                    timed.consumeFromDevice(BEFORE, x);
                    timed.persistOnDevice(x);
                    timed.transferToDevice(mode, dy);
                }
                norm.backward(timed, grids, x, dy, output);
            }
            case COPY -> {
                timed.transferToDevice(mode, x);
                addCopy(timed, grids, x);
            }
            default ->
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

    private void addCopy(TaskGraph timed, GridScheduler grids, FloatArray x) {
        int perGroup = CopyKernel.GROUP * CopyKernel.VALUES;
        int n = output.getSize();
        WorkerGrid grid = new WorkerGrid1D(Math.ceilDiv(n, perGroup) * CopyKernel.GROUP);
        grid.setLocalWork(CopyKernel.GROUP, 1, 1);
        grids.addWorkerGrid(NAME + ".copy", grid);
        timed.task("copy", CopyKernel::copy, new KernelContext(), x, output, n);
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

    /**
     * Compares some features of the result with double precision.
     *
     * @throws IllegalStateException if one is wrong
     */
    void check() {
        latest().transferToHost(output);
        for (int i = 0; i < Math.min(CHECKED_FEATURES, shape.c()); i++) {
            int feature = (int) ((long) i * shape.c() / CHECKED_FEATURES);
            check(Math.min(feature, shape.c() - 1));
        }
    }

    private void check(int feature) {
        int[] places = places(feature);
        double[] x = gather(inputs.x(), places);
        double[] expected = expected(x, places);
        double largest = Arrays.stream(expected).map(Math::abs).max().orElse(1);
        for (int i = 0; i < places.length; i++) {
            double error = Math.abs(output.get(places[i]) - expected[i]);
            if (!(error <= TOLERANCE * largest)) {
                throw new IllegalStateException(operation + " on " + shape + " gives " + output.get(places[i])
                        + " at element " + places[i] + ", must be " + expected[i]);
            }
        }
    }

    private double[] expected(double[] x, int[] places) {
        BatchShape column = BatchShape.of(x.length, 1);
        double[] one = {1};
        double[] zero = {0};
        return switch (operation) {
            case INFERENCE ->
                Arrays.stream(x)
                        .map(value -> value / Math.sqrt(1 + BatchNormConfig.DEFAULT_EPS))
                        .toArray();
            case FORWARD -> {
                Reference.Statistics statistics = Reference.statistics(column, x, BatchNormConfig.DEFAULT_EPS);
                yield Reference.transform(column, x, one, zero, statistics.mean(), statistics.rstd());
            }
            case BACKWARD -> {
                Reference.Statistics statistics = Reference.statistics(column, x, BatchNormConfig.DEFAULT_EPS);
                yield Reference.backward(
                                column, x, gather(inputs.dy(), places), one, statistics.mean(), statistics.rstd(), true)
                        .dx();
            }
            default -> x;
        };
    }

    private int[] places(int feature) {
        return IntStream.range(0, output.getSize())
                .filter(place -> Reference.feature(shape, place) == feature)
                .toArray();
    }

    private static double[] gather(float[] values, int[] places) {
        return Arrays.stream(places).mapToDouble(place -> values[place]).toArray();
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
        kernels.forEach((task, nanos) -> medians.put(task, Samples.of(nanos).medianMillis()));
        return new Timing(firstMillis, wall, Optional.of(Samples.of(total)), medians);
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
                String task = property.getKey();
                nanos.put(task.substring(task.indexOf('.') + 1), time.asDouble());
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

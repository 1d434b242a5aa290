package org.batchnorm.bench.jmh.session;

import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.batchnorm.bench.jmh.FirstCallBenchmark;
import org.batchnorm.bench.jmh.OperationBenchmark;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Fusion;
import org.batchnorm.bench.workload.Kind;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.bench.workload.ShapeGrid;
import org.batchnorm.data.ElementType;

/**
 * What a run measures.
 *
 * @param operations the operations
 * @param kinds the types of the values and what is fused; each operation of all of them is compared
 * @param shapes the shapes
 * @param backends our backends; what one does not do of the kinds is left out
 * @param memories where our data are: {@link OperationBenchmark#HEAP}, {@link OperationBenchmark#OFF_HEAP}
 * @param threads the numbers of threads
 * @param peers the peers' names; none without them. They are measured with float32 alone
 * @param layer whether the layer is measured as well, plain
 * @param firstCalls whether the first calls are measured as well, plain
 */
public record Schedule(
        List<Operation> operations,
        List<Kind> kinds,
        List<BenchShape> shapes,
        List<MeasuredBackend> backends,
        List<String> memories,
        List<Integer> threads,
        List<String> peers,
        boolean layer,
        boolean firstCalls) {

    /**
     * The plain loops are there to be compared within the core's cache; beyond it they are measured on arrays and one
     * thread alone.
     */
    private static final String SCALAR = "scalar";

    private static final String VECTOR = "vector";

    /** The layer allocates nothing: small shapes show it. */
    private static final int LAYER_ELEMENTS = 1 << 20;

    /** Copies the lists. */
    public Schedule {
        operations = List.copyOf(operations);
        kinds = List.copyOf(kinds);
        shapes = List.copyOf(shapes);
        backends = List.copyOf(backends);
        memories = List.copyOf(memories);
        threads = List.copyOf(threads);
        peers = List.copyOf(peers);
    }

    /**
     * The tasks in order. All that is compared with each other, one operation on one shape with one number of threads,
     * follows each other, so that a machine that slows down in the course of the run slows all of it.
     */
    public List<Task> tasks() {
        Set<Task> tasks = new LinkedHashSet<>();
        Set<List<Long>> baselines = new LinkedHashSet<>();
        for (BenchShape shape : shapes) {
            for (int threadCount : threads) {
                for (ElementType type : types()) {
                    if (baselines.add(List.of((long) shape.elements() * type.bytes(), (long) threadCount))) {
                        tasks.addAll(baselines(shape, type, threadCount));
                    }
                }
                for (Operation operation : operations) {
                    if (ShapeGrid.measurable(operation, shape)) {
                        tasks.addAll(comparison(operation, shape, threadCount));
                        if (firstCalls) {
                            tasks.addAll(firstCalls(operation, shape, threadCount));
                        }
                    }
                }
                if (layer && shape.elements() <= LAYER_ELEMENTS && ShapeGrid.measurable(Operation.STEP, shape)) {
                    tasks.addAll(layers(shape, threadCount));
                }
            }
        }
        return List.copyOf(tasks);
    }

    /**
     * The tasks in order, those together whose times are compared: the operations of ours and of the peers on one shape
     * with one number of threads.
     */
    public List<List<Task>> groups() {
        List<List<Task>> groups = new ArrayList<>();
        Task previous = null;
        for (Task task : tasks()) {
            if (previous == null || !task.isComparedWith(previous)) {
                groups.add(new ArrayList<>());
            }
            groups.getLast().add(task);
            previous = task;
        }
        return groups;
    }

    private Set<ElementType> types() {
        Set<ElementType> types = new LinkedHashSet<>();
        kinds.forEach(kind -> types.add(kind.type()));
        return types;
    }

    /** The copy, and what the floors of the operations need, wherever the data are. */
    private List<Task> baselines(BenchShape shape, ElementType type, int threadCount) {
        List<Task> tasks = new ArrayList<>();
        tasks.add(new Task.Baseline(Operation.COPY, shape, type, OperationBenchmark.HEAP, threadCount));
        Set<Operation> passes = EnumSet.of(Operation.STREAM);
        operations.forEach(operation -> kinds.forEach(kind -> passes.addAll(operation.floor(kind.fusion()))));
        if (layer) {
            passes.addAll(Operation.STEP.floor(Fusion.NONE));
        }
        for (String memory : memories) {
            passes.forEach(pass -> tasks.add(new Task.Baseline(pass, shape, type, memory, threadCount)));
        }
        return tasks;
    }

    private List<Task> comparison(Operation operation, BenchShape shape, int threadCount) {
        List<Task> tasks = new ArrayList<>();
        for (Kind kind : kinds) {
            List<Task> ofKind = ours(operation, shape, kind, threadCount);
            if (kind.type() == Kind.PLAIN.type()) {
                for (String peer : peers) {
                    // Between the first of ours, which the ratio is of, and the rest.
                    ofKind.add(
                            Math.min(1, ofKind.size()),
                            new Task.OfPeer(peer, operation, shape, kind.fusion(), threadCount));
                }
            }
            tasks.addAll(ofKind);
        }
        return tasks;
    }

    private List<Task> ours(Operation operation, BenchShape shape, Kind kind, int threadCount) {
        List<Task> tasks = new ArrayList<>();
        for (MeasuredBackend backend : backends) {
            for (String memory : memories) {
                boolean plain = memory.equals(OperationBenchmark.HEAP) || memories.size() == 1;
                if ((!backend.name().equals(SCALAR) || backends.size() == 1 || plain) && backend.does(kind)) {
                    int count = backend.onDevice() ? 0 : threadCount;
                    tasks.add(new Task.Ours(operation, shape, kind, false, backend, memory, count));
                    if (isSeparable(kind) && backend.name().equals(VECTOR)) {
                        tasks.add(new Task.Ours(operation, shape, kind, true, backend, memory, count));
                    }
                }
            }
        }
        return tasks;
    }

    /** Whether the harness has passes of its own for what the kind fuses: on the Vector API, for float32. */
    private static boolean isSeparable(Kind kind) {
        return kind.fusion() != Fusion.NONE && kind.type() == ElementType.FLOAT32;
    }

    private List<Task> firstCalls(Operation operation, BenchShape shape, int threadCount) {
        List<Task> tasks = new ArrayList<>();
        for (String backend : cpuBackends()) {
            tasks.add(new Task.FirstCall(operation, shape, backend, FirstCallBenchmark.FIRST, threadCount));
            tasks.add(new Task.FirstCall(operation, shape, backend, FirstCallBenchmark.NEW_SHAPE, threadCount));
        }
        return tasks;
    }

    private List<Task> layers(BenchShape shape, int threadCount) {
        List<Task> tasks = new ArrayList<>();
        for (String backend : cpuBackends()) {
            for (Operation operation : List.of(Operation.FORWARD, Operation.INFERENCE, Operation.STEP)) {
                tasks.add(new Task.Layer(operation, shape, backend, threadCount));
            }
        }
        return tasks;
    }

    private List<String> cpuBackends() {
        return backends.stream()
                .filter(backend -> !backend.onDevice())
                .map(MeasuredBackend::name)
                .toList();
    }
}

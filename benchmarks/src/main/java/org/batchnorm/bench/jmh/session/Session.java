package org.batchnorm.bench.jmh.session;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.batchnorm.bench.jmh.BackwardBenchmark;
import org.batchnorm.bench.jmh.BaselineBenchmark;
import org.batchnorm.bench.jmh.FirstCallBenchmark;
import org.batchnorm.bench.jmh.ForkNotes;
import org.batchnorm.bench.jmh.ForwardBenchmark;
import org.batchnorm.bench.jmh.InferenceBenchmark;
import org.batchnorm.bench.jmh.JmhRunner;
import org.batchnorm.bench.jmh.LayerBenchmark;
import org.batchnorm.bench.jmh.OperationBenchmark;
import org.batchnorm.bench.jmh.PeerBenchmark;
import org.batchnorm.bench.jmh.results.Floors;
import org.batchnorm.bench.jmh.results.Libraries;
import org.batchnorm.bench.jmh.results.Measurement;
import org.batchnorm.bench.jmh.results.Measurement.Point;
import org.batchnorm.bench.jmh.results.Measurement.Result;
import org.batchnorm.bench.peers.BuiltPeer;
import org.batchnorm.bench.peers.Peer;
import org.batchnorm.bench.workload.Fusion;
import org.batchnorm.bench.workload.Kind;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.bench.workload.Samples;

/**
 * Takes the measurements of one run, one group of tasks at a time; keeps the baselines of each size and, where each is
 * measured in one process only, the peers' processes.
 */
public final class Session implements AutoCloseable {
    private final Measurement.Run run;
    private final int forks;
    private final Path peersFolder;
    private final JmhRunner jmh;
    private final Map<String, BuiltPeer> peers = new HashMap<>();
    private final Map<List<Long>, Double> copyBandwidth = new HashMap<>();
    private final Floors floors = new Floors();

    /**
     * Begins a run.
     *
     * @param run what its rows say about it
     * @param plan how long each measurement takes in one process
     * @param forks processes, one after the other, of each measurement, ≥ 1; its samples are those of all
     * @param peersFolder {@code benchmarks/peers} of a build with them; need not exist where no peer is asked
     * @param log receives what JMH and the peers print
     */
    public Session(Measurement.Run run, Samples.Plan plan, int forks, Path peersFolder, Path log) {
        this.forks = forks;
        this.run = run;
        this.peersFolder = peersFolder;
        this.jmh = new JmhRunner(plan, log);
    }

    /**
     * Takes the measurements of a group of tasks. They take turns, one process each, so that a machine that slows down
     * for a while slows all of them.
     *
     * @param group tasks of {@link Schedule#groups}
     */
    public Outcome measure(List<Task> group) {
        Map<Task, Map<Point, Taken>> taken = new LinkedHashMap<>();
        Map<Task, String> failures = new LinkedHashMap<>();
        for (int fork = 0; fork < forks; fork++) {
            for (Task task : group) {
                boolean forksItself = task instanceof Task.FirstCall;
                if (failures.containsKey(task) || (forksItself && fork > 0)) {
                    continue;
                }
                try {
                    Map<Point, Taken> ofTask = taken.computeIfAbsent(task, key -> new LinkedHashMap<>());
                    take(task, failure -> failures.put(task, failure))
                            .forEach(more -> ofTask.merge(more.point(), more, Taken::and));
                } catch (IllegalStateException e) {
                    taken.remove(task);
                    failures.put(task, String.valueOf(e.getMessage()));
                }
            }
        }
        return new Outcome(
                taken.values().stream()
                        .flatMap(ofTask -> ofTask.values().stream())
                        .map(this::row)
                        .toList(),
                failures);
    }

    /**
     * What one process gives, or one for each of a peer's variants.
     *
     * @param failed is told of variants that failed where others did not
     */
    private List<Taken> take(Task task, Consumer<String> failed) {
        return switch (task) {
            case Task.Baseline baseline -> List.of(take(baseline));
            case Task.Ours ours -> List.of(take(ours));
            case Task.Layer layer -> List.of(take(layer));
            case Task.FirstCall first -> List.of(take(first));
            case Task.OfPeer ofPeer -> take(ofPeer, failed);
        };
    }

    private Taken take(Task.Baseline task) {
        JmhRunner.Outcome outcome = jmh.run(
                BaselineBenchmark.class,
                "pass",
                Map.of(
                        "baseline", task.operation().label(),
                        "elements", String.valueOf(floats(task)),
                        "memory", task.memory()),
                task.threads());
        String kind = task.memory().equals(OperationBenchmark.HEAP) ? "array" : "segment";
        Point point = Point.onCpu(task.operation(), task.shape(), task.memory(), Libraries.JAVA, kind, task.threads())
                .of(new Kind(task.type(), Fusion.NONE));
        return new Taken(point, outcome.samples(), result -> result.withDetail(outcome.note(ForkNotes.DETAIL)));
    }

    /** A baseline passes over the bytes of the type as over so many float32 values. */
    private static long floats(Task.Baseline task) {
        return Math.max(1, (long) task.shape().elements() * task.type().bytes() / Float.BYTES);
    }

    private Taken take(Task.Ours task) {
        Class<?> benchmark = switch (task.operation()) {
            case FORWARD -> ForwardBenchmark.class;
            case INFERENCE -> InferenceBenchmark.class;
            case BACKWARD -> BackwardBenchmark.class;
            case STEP, COPY, STREAM, READ, READ2, STREAM2 ->
                throw new IllegalArgumentException(
                        "operation: " + task.operation() + " given, must be one of " + Operation.ofBatchNorm());
        };
        MeasuredBackend backend = task.backend();
        Map<String, String> parameters = Map.of(
                "shape", task.shape().toString(),
                "backend", backend.name(),
                "memory", task.memory(),
                "type", Kind.label(task.kind().type()),
                "fused", task.kind().fusion().label(),
                "separate", String.valueOf(task.separate()),
                "threads", String.valueOf(Math.max(1, task.threads())));
        JmhRunner.Outcome outcome = jmh.run(benchmark, "run", parameters, 1);
        Point point = Point.ofHostData(
                        task.operation(),
                        task.shape(),
                        task.memory(),
                        Libraries.OURS,
                        backend.name() + (task.separate() ? Libraries.SEPARATE : ""),
                        backend.device(),
                        task.threads(),
                        !backend.onDevice())
                .of(task.kind());
        return new Taken(point, outcome.samples(), result -> withAllocation(result, outcome));
    }

    private Taken take(Task.Layer task) {
        Map<String, String> parameters = Map.of(
                "shape", task.shape().toString(),
                "backend", task.backend(),
                "threads", String.valueOf(task.threads()));
        JmhRunner.Outcome outcome =
                jmh.run(LayerBenchmark.class, task.operation().label(), parameters, 1);
        Point point = Point.onCpu(
                task.operation(),
                task.shape(),
                OperationBenchmark.HEAP,
                Libraries.OURS,
                task.backend() + "-layer",
                task.threads());
        return new Taken(point, outcome.samples(), result -> withAllocation(result, outcome));
    }

    private Taken take(Task.FirstCall task) {
        Map<String, String> parameters = Map.of(
                "operation", task.operation().label(),
                "shape", task.shape().toString(),
                "backend", task.backend(),
                "threads", String.valueOf(task.threads()),
                "phase", task.phase());
        JmhRunner.Outcome outcome = jmh.runFirstCalls(FirstCallBenchmark.class, "call", parameters);
        Point point = Point.onCpu(
                        task.operation(),
                        task.shape(),
                        OperationBenchmark.HEAP,
                        Libraries.OURS,
                        task.backend(),
                        task.threads())
                .inPhase(task.phase());
        return new Taken(point, outcome.samples());
    }

    /** A fork for each of the peer's variants; one that fails does not keep the others from being measured. */
    private List<Taken> take(Task.OfPeer task, Consumer<String> failed) {
        List<Taken> taken = new ArrayList<>();
        List<String> failures = new ArrayList<>();
        Peer peer = peers.computeIfAbsent(task.peer(), name -> BuiltPeer.load(peersFolder, name))
                .peer();
        for (String variant : variants(task, peer)) {
            try {
                taken.add(take(task, peer, variant));
            } catch (IllegalStateException e) {
                failures.add(variant + ": " + e.getMessage());
            }
        }
        if (!failures.isEmpty()) {
            failed.accept(String.join("; ", failures));
        }
        return taken;
    }

    private static List<String> variants(Task.OfPeer task, Peer peer) {
        return task.fusion() == Fusion.NONE
                ? peer.variants(task.operation(), task.shape())
                : peer.variants(task.operation(), task.shape(), task.fusion());
    }

    private Taken take(Task.OfPeer task, Peer peer, String variant) {
        JmhRunner.Outcome outcome = jmh.run(
                PeerBenchmark.class,
                peer.preparesCalls(task.operation()) ? "preparedCall" : "call",
                Map.of(
                        "folder", peersFolder.toString(),
                        "peer", task.peer(),
                        "variant", variant,
                        "operation", task.operation().label(),
                        "shape", task.shape().toString(),
                        "fused", task.fusion().label(),
                        "threads", String.valueOf(task.threads())),
                1);
        Point point = Point.onCpu(task.operation(), task.shape(), "native", peer.name(), variant, task.threads())
                .of(new Kind(Kind.PLAIN.type(), task.fusion()));
        return new Taken(
                point,
                outcome.samples(),
                result -> result.withPeer(
                        Double.parseDouble(outcome.note(ForkNotes.BUSY_THREADS)),
                        outcome.note(ForkNotes.VERSION),
                        outcome.note(ForkNotes.DETAIL)));
    }

    private Measurement row(Taken taken) {
        Point point = taken.point();
        Result result = taken.details().apply(Result.of(point, taken.samples()));
        List<Long> size = List.of(point.bytesPerTensor(), (long) point.threads());
        if (point.operation() == Operation.COPY) {
            copyBandwidth.put(size, result.gigabytesPerSecond());
        }
        Double copy = copyBandwidth.get(size);
        if (copy != null) {
            result = result.withCopyShare(result.gigabytesPerSecond() / copy);
        }
        OptionalDouble floorShare = floors.share(point, result.milliseconds());
        if (floorShare.isPresent()) {
            result = result.withFloorShare(floorShare.getAsDouble());
        }
        Measurement row = new Measurement(point, run, result);
        floors.add(row);
        return row;
    }

    private static Result withAllocation(Result result, JmhRunner.Outcome outcome) {
        return outcome.allocatedBytes().isPresent()
                ? result.withAllocatedBytes(outcome.allocatedBytes().getAsDouble())
                : result;
    }

    @Override
    public void close() {
        peers.values().forEach(BuiltPeer::close);
        jmh.close();
    }

    /**
     * What came of a group.
     *
     * @param rows one for each point; none of a task that failed, or of a peer that cannot do the operation
     * @param failures what each failed task says, in words; among them are tasks that computed something wrong
     */
    public record Outcome(List<Measurement> rows, Map<Task, String> failures) {

        /** Copies the rows. */
        public Outcome {
            rows = List.copyOf(rows);
            failures = Collections.unmodifiableMap(new LinkedHashMap<>(failures));
        }

        /** What is fused and whose it would be, of those of the tasks that a peer cannot do. */
        public Set<String> fusionsWithoutRows(List<Task> group) {
            Set<String> without = new LinkedHashSet<>();
            for (Task task : group) {
                if (task instanceof Task.OfPeer ofPeer
                        && ofPeer.fusion() != Fusion.NONE
                        && !failures.containsKey(task)
                        && rows.stream().noneMatch(row -> isOf(ofPeer, row.point()))) {
                    without.add(ofPeer.fusion() + " of " + ofPeer.peer());
                }
            }
            return without;
        }

        private static boolean isOf(Task.OfPeer task, Point point) {
            return point.library().equals(task.peer()) && point.kind().fusion() == task.fusion();
        }
    }

    /** Samples of one point, and what else is known of it. */
    private record Taken(Point point, Samples samples, UnaryOperator<Result> details) {
        Taken(Point point, Samples samples) {
            this(point, samples, UnaryOperator.identity());
        }

        Taken and(Taken more) {
            return new Taken(point, samples.and(more.samples), more.details);
        }
    }
}

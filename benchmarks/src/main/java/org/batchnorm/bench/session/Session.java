package org.batchnorm.bench.session;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.batchnorm.bench.jmh.BackwardBenchmark;
import org.batchnorm.bench.jmh.BaselineBenchmark;
import org.batchnorm.bench.jmh.FirstCallBenchmark;
import org.batchnorm.bench.jmh.ForwardBenchmark;
import org.batchnorm.bench.jmh.InferenceBenchmark;
import org.batchnorm.bench.jmh.JmhRunner;
import org.batchnorm.bench.jmh.LayerBenchmark;
import org.batchnorm.bench.jmh.OperationBenchmark;
import org.batchnorm.bench.peers.PeerMeasurement;
import org.batchnorm.bench.peers.PeerProcess;
import org.batchnorm.bench.results.Libraries;
import org.batchnorm.bench.results.Measurement;
import org.batchnorm.bench.results.Measurement.Point;
import org.batchnorm.bench.results.Measurement.Result;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.bench.workload.Samples;

/** Takes the measurements of one run, one task at a time; keeps the peers' processes between tasks and the copy's bandwidth of each size. */
public final class Session implements AutoCloseable {
    private final Measurement.Run run;
    private final Samples.Plan plan;
    private final Path peersFolder;
    private final Path log;
    private final JmhRunner jmh;
    private final Map<List<Object>, PeerProcess> peers = new HashMap<>();
    private final Map<List<Integer>, Double> copyBandwidth = new HashMap<>();

    /**
     * Begins a run.
     *
     * @param run what its rows say about it
     * @param plan how long each measurement takes
     * @param peersFolder {@code benchmarks/peers} of a build with them; need not exist where no peer is asked
     * @param log receives what JMH and the peers print
     */
    public Session(Measurement.Run run, Samples.Plan plan, Path peersFolder, Path log) {
        this.run = run;
        this.plan = plan;
        this.peersFolder = peersFolder;
        this.log = log;
        this.jmh = new JmhRunner(plan, log);
    }

    /**
     * Takes a task's measurements.
     *
     * @return one row each; none where a peer cannot do the operation
     * @throws IllegalStateException if it fails or computes something wrong
     */
    public List<Measurement> measure(Task task) {
        return switch (task) {
            case Task.Baseline baseline -> List.of(measure(baseline));
            case Task.Ours ours -> List.of(measure(ours));
            case Task.Layer layer -> List.of(measure(layer));
            case Task.FirstCall first -> List.of(measure(first));
            case Task.OfPeer ofPeer -> measure(ofPeer);
        };
    }

    private Measurement measure(Task.Baseline task) {
        JmhRunner.Outcome outcome = jmh.run(
                BaselineBenchmark.class,
                task.operation().label(),
                Map.of("elements", String.valueOf(task.shape().elements())),
                task.threads());
        Point point = Point.onCpu(
                task.operation(), task.shape(), OperationBenchmark.HEAP, Libraries.JAVA, "array", task.threads());
        Result result = Result.of(point, outcome.samples());
        if (task.operation() == Operation.COPY) {
            copyBandwidth.put(size(task.shape(), task.threads()), result.gigabytesPerSecond());
        }
        return row(point, result);
    }

    private Measurement measure(Task.Ours task) {
        Class<?> benchmark = switch (task.operation()) {
            case FORWARD -> ForwardBenchmark.class;
            case INFERENCE -> InferenceBenchmark.class;
            case BACKWARD -> BackwardBenchmark.class;
            case STEP, COPY, STREAM ->
                throw new IllegalArgumentException(
                        "operation: " + task.operation() + " given, must be one of " + Operation.ofBatchNorm());
        };
        MeasuredBackend backend = task.backend();
        Map<String, String> parameters = Map.of(
                "shape", task.shape().toString(),
                "backend", backend.name(),
                "memory", task.memory(),
                "threads", String.valueOf(Math.max(1, task.threads())));
        JmhRunner.Outcome outcome = jmh.run(benchmark, "run", parameters, 1);
        Point point = Point.ofHostData(
                task.operation(),
                task.shape(),
                task.memory(),
                Libraries.OURS,
                backend.name(),
                backend.device(),
                task.threads(),
                !backend.onDevice());
        return row(point, withAllocation(Result.of(point, outcome.samples()), outcome));
    }

    private Measurement measure(Task.Layer task) {
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
        return row(point, withAllocation(Result.of(point, outcome.samples()), outcome));
    }

    private Measurement measure(Task.FirstCall task) {
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
        return row(point, Result.of(point, outcome.samples()));
    }

    private List<Measurement> measure(Task.OfPeer task) {
        PeerProcess peer = peers.computeIfAbsent(
                List.of(task.peer(), task.threads()),
                key -> PeerProcess.start(peersFolder, task.peer(), task.threads(), log));
        List<Measurement> rows = new ArrayList<>();
        List<String> failures = new ArrayList<>();
        for (PeerMeasurement measured : peer.measure(task.operation(), task.shape(), plan)) {
            if (!measured.measured()) {
                failures.add(measured.variant() + ": " + measured.failure());
                continue;
            }
            Point point = Point.onCpu(
                    task.operation(), task.shape(), "native", peer.name(), measured.variant(), task.threads());
            Samples samples = Samples.of(measured.nanoseconds().stream()
                    .mapToDouble(Double::doubleValue)
                    .toArray());
            rows.add(row(
                    point,
                    Result.of(point, samples).withPeer(measured.busyThreads(), peer.version(), measured.detail())));
        }
        if (rows.isEmpty() && !failures.isEmpty()) {
            throw new IllegalStateException(String.join("; ", failures));
        }
        return rows;
    }

    private Measurement row(Point point, Result result) {
        Double copy = copyBandwidth.get(size(point.shape(), point.threads()));
        return new Measurement(
                point, run, copy == null ? result : result.withCopyShare(result.gigabytesPerSecond() / copy));
    }

    private static Result withAllocation(Result result, JmhRunner.Outcome outcome) {
        return outcome.allocatedBytes().isPresent()
                ? result.withAllocatedBytes(outcome.allocatedBytes().getAsDouble())
                : result;
    }

    private static List<Integer> size(BenchShape shape, int threads) {
        return List.of(shape.elements(), threads);
    }

    /** Ends the peers' processes. */
    @Override
    public void close() {
        peers.values().forEach(PeerProcess::close);
        jmh.close();
    }
}

package org.batchnorm.bench.jmh.results;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import org.batchnorm.bench.jmh.results.Measurement.Point;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Kind;
import org.batchnorm.bench.workload.Operation;

/**
 * How much faster we are than others: the time of the fastest peer by ours, medians, on the same operation, shape,
 * layout, device and number of threads, in the same run. A peer's time is that of its fastest variant (libtorch: eager
 * or out; oneDNN: either layout of the same memory; ONNX Runtime: its output allocated or not).
 */
public final class Ratios {

    /** The native libraries, by which the speed is judged; ONNX Runtime on images in inference alone. */
    public static final Set<String> NATIVE = Set.of("libtorch", "onednn", "onnxruntime");

    /** Java libraries as their users call them, judged apart. */
    public static final Set<String> JAVA = Set.of("nd4j", "djl");

    private Ratios() {}

    /**
     * One comparison.
     *
     * @param ours our row
     * @param fastest the fastest row of the peers asked for
     */
    public record Ratio(Measurement ours, Measurement fastest) {

        /** Peer's time by ours: above 1 we are faster. */
        public double value() {
            return fastest.result().milliseconds() / ours.result().milliseconds();
        }

        /** The same of the best samples, which a busy machine disturbs less than the medians. */
        public double ofBest() {
            return fastest.result().best() / ours.result().best();
        }
    }

    /**
     * Compares every row of one of our backends that has a peer's beside it, in the rows' order.
     *
     * @param rows of any number of runs
     * @param variant our backend
     * @param memory where our data were
     * @param peers the libraries to compare with
     */
    public static List<Ratio> of(Collection<Measurement> rows, String variant, String memory, Set<String> peers) {
        Map<Key, Measurement> fastest = new LinkedHashMap<>();
        for (Measurement row : rows) {
            if (peers.contains(row.point().library())) {
                fastest.merge(Key.of(row), row, Ratios::faster);
            }
        }
        List<Ratio> ratios = new ArrayList<>();
        for (Measurement row : rows) {
            Point point = row.point();
            boolean asked = point.library().equals(Libraries.OURS)
                    && point.variant().equals(variant)
                    && point.memory().equals(memory);
            Measurement peer = fastest.get(Key.of(row));
            if (asked && peer != null) {
                ratios.add(new Ratio(row, peer));
            }
        }
        return ratios;
    }

    /**
     * Compares a peer's rows on a device with the fastest of our versions beside each, in the peer's order. Both have
     * their data on the device.
     *
     * @param rows of any number of runs
     * @param library the peer
     * @param variant its way
     */
    public static List<Ratio> onDevice(Collection<Measurement> rows, String library, String variant) {
        Map<Key, Measurement> ours = new LinkedHashMap<>();
        List<Measurement> theirs = new ArrayList<>();
        for (Measurement row : rows) {
            Point point = row.point();
            if (point.memory().equals("device") && point.resident()) {
                if (point.library().equals(Libraries.OURS)) {
                    ours.merge(Key.of(row), row, Ratios::faster);
                } else if (point.library().equals(library) && point.variant().equals(variant)) {
                    theirs.add(row);
                }
            }
        }
        List<Ratio> ratios = new ArrayList<>();
        for (Measurement row : theirs) {
            Measurement fastest = ours.get(Key.of(row));
            if (fastest != null) {
                ratios.add(new Ratio(fastest, row));
            }
        }
        return ratios;
    }

    /** The fastest of the peers beside one of our rows. */
    public static Optional<Measurement> fastestBeside(
            Measurement ours, Collection<Measurement> rows, Set<String> peers) {
        return rows.stream()
                .filter(row ->
                        peers.contains(row.point().library()) && Key.of(row).equals(Key.of(ours)))
                .min(Comparator.comparingDouble(row -> row.result().milliseconds()));
    }

    /** The geometric mean of the ratios; empty if there are none. */
    public static OptionalDouble geometricMean(Collection<Ratio> ratios) {
        OptionalDouble logarithm =
                ratios.stream().mapToDouble(ratio -> Math.log(ratio.value())).average();
        return logarithm.isPresent() ? OptionalDouble.of(Math.exp(logarithm.getAsDouble())) : OptionalDouble.empty();
    }

    private static Measurement faster(Measurement one, Measurement other) {
        return one.result().milliseconds() <= other.result().milliseconds() ? one : other;
    }

    /** What must agree for two rows to be compared, whoever was measured. */
    private record Key(
            String run,
            Operation operation,
            BenchShape shape,
            Kind kind,
            String device,
            int threads,
            String clock,
            String cache,
            String phase) {
        static Key of(Measurement row) {
            Point point = row.point();
            return new Key(
                    row.run().id(),
                    point.operation(),
                    point.shape(),
                    point.kind(),
                    point.device(),
                    point.threads(),
                    point.clock(),
                    point.cache(),
                    point.phase());
        }
    }
}

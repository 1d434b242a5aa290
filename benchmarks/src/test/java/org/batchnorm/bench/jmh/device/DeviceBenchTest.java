package org.batchnorm.bench.jmh.device;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.batchnorm.bench.jmh.results.Measurement;
import org.batchnorm.bench.jmh.results.ResultsFile;
import org.batchnorm.bench.jmh.results.Rows;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.bench.workload.Samples;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is measured, told and stored, on a device made of numbers. */
class DeviceBenchTest {
    private static final BenchShape SMALL = BenchShape.parse("60x100");
    private static final BenchShape LARGE = BenchShape.parse("65536x1024");

    private final StringWriter text = new StringWriter();
    private final List<Measurement> stored = new ArrayList<>();
    private final Device device = new Device();
    private long now;

    @TempDir
    Path folder;

    @Test
    void everyVersionThatCanDoAnOperationIsMeasuredUnderItsName() {
        bench(false).measure(SMALL);
        assertThat(variants(Operation.FORWARD))
                .containsExactlyInAnyOrder("tornadovm-opencl-on-chip", "tornadovm-opencl-rows");
        assertThat(variants(Operation.INFERENCE)).containsExactly("tornadovm-opencl-rows");
        assertThat(variants(Operation.COPY)).containsExactly("tornadovm-opencl");
        assertThat(text.toString()).contains("collectStatistics 0.0100, mergeStatistics 0.0100, transform 0.0100");
    }

    @Test
    void oneVersionIsMeasuredWhereThereIsNoOther() {
        assertThat(bench(false).measure(LARGE)).isTrue();
        assertThat(variants(Operation.FORWARD)).containsExactly("tornadovm-opencl-rows");
    }

    @Test
    void rowsSayDeviceClockResidenceAndPhase() {
        bench(false).measure(LARGE);
        List<Measurement.Point> forward = stored.stream()
                .map(Measurement::point)
                .filter(point -> point.operation() == Operation.FORWARD)
                .toList();
        assertThat(forward)
                .allMatch(point -> point.device().equals("Testing 1000")
                        && point.memory().equals("device")
                        && point.threads() == 0);
        assertThat(forward.stream().map(point -> point.clock() + " " + point.phase() + " " + point.resident()))
                .containsExactlyInAnyOrder(
                        "wall steady true",
                        "wall first true",
                        "kernel steady true",
                        "wall steady false",
                        "wall first false",
                        "kernel steady false");
        assertThat(stored).allMatch(row -> String.valueOf(row.result().detail()).startsWith("OPENCL, driver 7"));
    }

    @Test
    void theShareOfTheCopyIsOfItsBandwidthOnTheSameShape() {
        bench(false).measure(LARGE);
        Measurement forward = stored.stream()
                .filter(row -> row.point().operation() == Operation.FORWARD
                        && row.point().clock().equals("kernel")
                        && row.point().resident())
                .findFirst()
                .orElseThrow();
        // Three tensors in 0.03 ms beside two in 0.02 ms.
        assertThat(forward.result().copyShare()).isEqualTo(1.0);
        bench(false).measure(SMALL);
        assertThat(text.toString()).contains("100 %");
    }

    @Test
    void graphsAreReplayedOnlyWhereTheBackendHasThem() {
        bench(false).measure(LARGE);
        assertThat(text.toString()).contains("not available on OPENCL").doesNotContain("replayed ms");
        bench(true).measure(LARGE);
        assertThat(text.toString()).contains("replayed ms");
        assertThat(variants(Operation.FORWARD)).contains("tornadovm-opencl-rows-replayed");
    }

    @Test
    void aFailureIsToldAndTheRestGoesOn() {
        device.failing = Operation.FORWARD;
        DeviceBench bench = bench(false);
        bench.measure(LARGE);
        assertThat(bench.failures()).isEqualTo(1);
        assertThat(text.toString()).contains("forward   resident FAILED: out of device memory");
        assertThat(variants(Operation.FORWARD)).isEmpty();
        assertThat(variants(Operation.BACKWARD)).isNotEmpty();
    }

    @Test
    void nothingIsBegunThatMayNotEndInTime() {
        device.seconds = 10;
        DeviceBench bench = bench(false, 45);
        assertThat(bench.measure(LARGE)).isFalse();
        // After four timings of ten seconds, five are left.
        assertThat(device.calls).isEqualTo(4);
        assertThat(variants(Operation.INFERENCE))
                .as("what was measured is kept")
                .isNotEmpty();
        assertThat(bench.measure(SMALL)).isFalse();
        assertThat(device.calls).isEqualTo(4);
    }

    @Test
    void theSummaryNamesTheLeastShareOfLargeShapes() {
        DeviceTable table = new DeviceTable(new PrintWriter(text, true), device.facts(), Optional.empty());
        DeviceBench bench = new DeviceBench(device, table, Rows.run("1"), stored::addAll, () -> now, Long.MAX_VALUE);
        bench.measure(LARGE);
        bench.measure(SMALL);
        table.summary();
        assertThat(text.toString())
                .contains("at 256 MiB and more: forward 100 % (65536x1024), inference 200 % (65536x1024)");
    }

    @Test
    void theKernelsTimeIsShownOverTheModelsOfADeviceThatItKnows() {
        DeviceModel model = new Model();
        measureWith(model, LARGE);
        // 0.03 ms measured.
        assertThat(text.toString())
                .contains("/model")
                .containsPattern("forward +rows +0\\.0300 +[0-9.]+ +100 % +1\\.50 ");
    }

    @Test
    void anUnknownDeviceIsComparedWithNoModel() {
        device.name = "Testing 2000";
        measureWith(new Model(), LARGE);
        assertThat(text.toString()).contains("forward").doesNotContain("/model");
    }

    private void measureWith(DeviceModel model, BenchShape shape) {
        DeviceTable table = new DeviceTable(new PrintWriter(text, true), device.facts(), Optional.of(model));
        new DeviceBench(device, table, Rows.run("1"), stored::addAll, () -> now, Long.MAX_VALUE).measure(shape);
    }

    /** Knows one device, on which all takes 0.02 ms. */
    private static final class Model implements DeviceModel {
        @Override
        public boolean knows(String device) {
            return device.equals("Testing 1000");
        }

        @Override
        public double millis(String device, Operation operation, BenchShape shape, DeviceTimer.Version version) {
            return 0.02;
        }

        @Override
        public String report() {
            return "";
        }
    }

    @Test
    void whatIsStoredCanBeReadBack() {
        Path file = folder.resolve("gpu.jsonl");
        DeviceTable table = new DeviceTable(new PrintWriter(text, true), device.facts(), Optional.empty());
        new DeviceBench(device, table, Rows.run("1"), rows -> ResultsFile.append(file, rows), () -> now, Long.MAX_VALUE)
                .measure(SMALL);
        assertThat(ResultsFile.read(file)).hasSizeGreaterThan(10);
    }

    private DeviceBench bench(boolean replays) {
        device.replays = replays;
        return bench(replays, Long.MAX_VALUE / 1_000_000_000);
    }

    private DeviceBench bench(boolean replays, long seconds) {
        device.replays = replays;
        return new DeviceBench(
                device,
                new DeviceTable(new PrintWriter(text, true), device.facts(), Optional.empty()),
                Rows.run("1"),
                stored::addAll,
                () -> now,
                TimeUnit.SECONDS.toNanos(seconds));
    }

    private List<String> variants(Operation operation) {
        return stored.stream()
                .map(Measurement::point)
                .filter(point -> point.operation() == operation)
                .map(Measurement.Point::variant)
                .distinct()
                .toList();
    }

    /** Needs 0.01 ms for each kernel, 0.02 ms for a copy; keeps small shapes on chip. */
    private final class Device implements DeviceTimer {
        private String name = "Testing 1000";
        private boolean replays;
        private long seconds = 1;
        private int calls;
        private Operation failing = Operation.STEP;

        @Override
        public Facts facts() {
            return new Facts("0:0", name, "OPENCL", "driver 7", false, replays, 1L << 30, 4, 1024, 48 << 10);
        }

        @Override
        public Timing time(Operation operation, BenchShape shape, Way way, Kernels kernels, Samples.Plan plan) {
            calls++;
            now += TimeUnit.SECONDS.toNanos(seconds);
            if (operation == failing) {
                throw new IllegalStateException("out of device memory");
            }
            boolean onChip = kernels == Kernels.CHOSEN && shape.equals(SMALL) && operation != Operation.INFERENCE;
            Map<String, Double> steps = new LinkedHashMap<>();
            switch (operation) {
                case COPY -> steps.put("copy", 0.02);
                case INFERENCE -> steps.put("inference", 0.01);
                default ->
                    List.of("collectStatistics", "mergeStatistics", "transform").forEach(step -> steps.put(step, 0.01));
            }
            double nanos =
                    steps.values().stream().mapToDouble(millis -> millis * 1e6).sum();
            Optional<Version> version =
                    operation.baseline() ? Optional.empty() : Optional.of(onChip ? Version.ON_CHIP : Version.ROWS);
            return new Timing(
                    version,
                    500,
                    Samples.of(new double[] {2 * nanos}),
                    way == Way.REPLAYED ? Optional.empty() : Optional.of(Samples.of(new double[] {nanos})),
                    steps);
        }
    }
}

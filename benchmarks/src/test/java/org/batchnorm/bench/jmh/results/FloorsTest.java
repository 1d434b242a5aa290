package org.batchnorm.bench.jmh.results;

import static org.assertj.core.api.Assertions.assertThat;

import org.batchnorm.bench.jmh.results.Measurement.Point;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Operation;
import org.junit.jupiter.api.Test;

class FloorsTest {
    private final Floors floors = new Floors();

    @Test
    void theFloorIsTheSumOfThePassesOverMemory() {
        baselines("heap", 1, 1);
        assertThat(floors.share(ours(Operation.INFERENCE, "heap", 1), 4)).hasValue(2.0 / 4);
        assertThat(floors.share(ours(Operation.FORWARD, "heap", 1), 4)).hasValue((1.0 + 2) / 4);
        assertThat(floors.share(ours(Operation.BACKWARD, "heap", 1), 10)).hasValue((3.0 + 4) / 10);
        assertThat(floors.share(ours(Operation.STEP, "heap", 1), 10)).hasValue((1.0 + 2 + 3 + 4) / 10);
    }

    @Test
    void everyMemoryAndNumberOfThreadsHasItsOwn() {
        baselines("heap", 1, 1);
        baselines("off-heap", 1, 0.5);
        baselines("heap", 2, 0.25);
        assertThat(floors.share(ours(Operation.INFERENCE, "off-heap", 1), 4)).hasValue(1.0 / 4);
        assertThat(floors.share(ours(Operation.INFERENCE, "heap", 2), 4)).hasValue(0.5 / 4);
        assertThat(floors.share(ours(Operation.INFERENCE, "off-heap", 2), 4)).isEmpty();
    }

    @Test
    void aLibrarysOwnMemoryIsAlignedAsNativeMemoryIs() {
        Point onednn = Point.onCpu(Operation.INFERENCE, BenchShape.of(64, 4), "native", "onednn", "ab", 1);
        baselines("heap", 1, 1);
        assertThat(floors.share(onednn, 4)).hasValue(2.0 / 4);
        baselines("off-heap", 1, 0.5);
        assertThat(floors.share(onednn, 4)).hasValue(1.0 / 4);
    }

    @Test
    void whatHasNoFloorHasNoShare() {
        assertThat(floors.share(ours(Operation.FORWARD, "heap", 1), 4)).isEmpty();
        baselines("heap", 1, 1);
        assertThat(floors.share(ours(Operation.COPY, "heap", 1), 4)).isEmpty();
        assertThat(floors.share(ours(Operation.FORWARD, "heap", 1).inPhase("first"), 4))
                .isEmpty();
        Point device = Rows.onDevice(Rows.run("1"), Libraries.OURS, "rows", Operation.FORWARD, "64x4", 1)
                .point();
        assertThat(floors.share(device, 4)).isEmpty();
    }

    private static Point ours(Operation operation, String memory, int threads) {
        return Point.onCpu(operation, BenchShape.of(256, 1), memory, Libraries.OURS, "vector", threads);
    }

    /** Of the same size in another shape. */
    private void baselines(String memory, int threads, double unit) {
        baseline(Operation.READ, memory, threads, unit);
        baseline(Operation.STREAM, memory, threads, 2 * unit);
        baseline(Operation.READ2, memory, threads, 3 * unit);
        baseline(Operation.STREAM2, memory, threads, 4 * unit);
    }

    private void baseline(Operation operation, String memory, int threads, double milliseconds) {
        Point point = Point.onCpu(operation, BenchShape.of(64, 4), memory, Libraries.JAVA, "array", threads);
        floors.add(new Measurement(point, Rows.run("1"), Rows.result(point, milliseconds)));
    }
}

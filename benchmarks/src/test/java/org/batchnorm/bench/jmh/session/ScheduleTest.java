package org.batchnorm.bench.jmh.session;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Fusion;
import org.batchnorm.bench.workload.Kind;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.bench.workload.ShapeGrid;
import org.batchnorm.data.ElementType;
import org.junit.jupiter.api.Test;

class ScheduleTest {
    private static final MeasuredBackend VECTOR = MeasuredBackend.onCpu("vector");
    private static final MeasuredBackend SCALAR = MeasuredBackend.onCpu("scalar");

    @Test
    void peersFollowTheFirstOfOursAndScalarIsMeasuredOnArraysAlone() {
        BenchShape shape = BenchShape.parse("256x256");
        Schedule schedule = new Schedule(
                List.of(Operation.FORWARD),
                List.of(Kind.PLAIN),
                List.of(shape),
                List.of(VECTOR, SCALAR),
                List.of("heap", "off-heap"),
                List.of(1),
                List.of("onednn"),
                false,
                false);

        assertThat(schedule.tasks())
                .containsExactly(
                        new Task.Baseline(Operation.COPY, shape, ElementType.FLOAT32, "heap", 1),
                        new Task.Baseline(Operation.STREAM, shape, ElementType.FLOAT32, "heap", 1),
                        new Task.Baseline(Operation.READ, shape, ElementType.FLOAT32, "heap", 1),
                        new Task.Baseline(Operation.STREAM, shape, ElementType.FLOAT32, "off-heap", 1),
                        new Task.Baseline(Operation.READ, shape, ElementType.FLOAT32, "off-heap", 1),
                        new Task.Ours(Operation.FORWARD, shape, Kind.PLAIN, false, VECTOR, "heap", 1),
                        new Task.OfPeer("onednn", Operation.FORWARD, shape, Fusion.NONE, 1),
                        new Task.Ours(Operation.FORWARD, shape, Kind.PLAIN, false, VECTOR, "off-heap", 1),
                        new Task.Ours(Operation.FORWARD, shape, Kind.PLAIN, false, SCALAR, "heap", 1));
    }

    @Test
    void whatIsComparedTakesTurns() {
        BenchShape shape = BenchShape.parse("256x256");
        Schedule schedule = new Schedule(
                List.of(Operation.FORWARD, Operation.INFERENCE),
                List.of(Kind.PLAIN),
                List.of(shape),
                List.of(VECTOR),
                List.of("heap"),
                List.of(1),
                List.of("onednn"),
                false,
                false);

        assertThat(schedule.groups())
                .containsExactly(
                        List.of(new Task.Baseline(Operation.COPY, shape, ElementType.FLOAT32, "heap", 1)),
                        List.of(new Task.Baseline(Operation.STREAM, shape, ElementType.FLOAT32, "heap", 1)),
                        List.of(new Task.Baseline(Operation.READ, shape, ElementType.FLOAT32, "heap", 1)),
                        List.of(
                                new Task.Ours(Operation.FORWARD, shape, Kind.PLAIN, false, VECTOR, "heap", 1),
                                new Task.OfPeer("onednn", Operation.FORWARD, shape, Fusion.NONE, 1)),
                        List.of(
                                new Task.Ours(Operation.INFERENCE, shape, Kind.PLAIN, false, VECTOR, "heap", 1),
                                new Task.OfPeer("onednn", Operation.INFERENCE, shape, Fusion.NONE, 1)));
    }

    @Test
    void aBatchOfOneIsInferredOnly() {
        Schedule schedule = new Schedule(
                Operation.ofBatchNorm(),
                List.of(Kind.PLAIN),
                List.of(BenchShape.of(1, 256)),
                List.of(VECTOR),
                List.of("heap"),
                List.of(1),
                List.of(),
                true,
                true);

        assertThat(schedule.tasks())
                .contains(new Task.FirstCall(Operation.INFERENCE, BenchShape.of(1, 256), "vector", "new-shape", 1))
                .filteredOn(Task.Ours.class::isInstance)
                .singleElement()
                .satisfies(task -> assertThat(((Task.Ours) task).operation()).isEqualTo(Operation.INFERENCE));
        assertThat(schedule.tasks()).noneMatch(Task.Layer.class::isInstance);
    }

    @Test
    void oneBaselineServesAllShapesOfItsSize() {
        Schedule schedule = new Schedule(
                List.of(Operation.FORWARD),
                List.of(Kind.PLAIN),
                List.of(BenchShape.parse("32x64x56x56"), BenchShape.parse("32x64x56x56:channels-last")),
                List.of(VECTOR),
                List.of("heap"),
                List.of(1, 2),
                List.of(),
                false,
                false);

        assertThat(schedule.tasks()).filteredOn(Task.Baseline.class::isInstance).hasSize(2 * 3);
    }

    /** So that every floor is measured on the bytes that the operation passes over. */
    @Test
    void everyTypeHasBaselinesOfItsBytesAndOneSizeServesAll() {
        Kind half = new Kind(ElementType.FLOAT16, Fusion.NONE);
        Kind brain = new Kind(ElementType.BFLOAT16, Fusion.NONE);
        BenchShape shape = BenchShape.of(64, 4);
        Schedule schedule = schedule(List.of(Kind.PLAIN, half, brain), shape, List.of("onednn"));

        assertThat(schedule.tasks())
                .containsExactly(
                        new Task.Baseline(Operation.COPY, shape, ElementType.FLOAT32, "heap", 1),
                        new Task.Baseline(Operation.STREAM, shape, ElementType.FLOAT32, "heap", 1),
                        new Task.Baseline(Operation.READ, shape, ElementType.FLOAT32, "heap", 1),
                        new Task.Baseline(Operation.COPY, shape, ElementType.FLOAT16, "heap", 1),
                        new Task.Baseline(Operation.STREAM, shape, ElementType.FLOAT16, "heap", 1),
                        new Task.Baseline(Operation.READ, shape, ElementType.FLOAT16, "heap", 1),
                        new Task.Ours(Operation.FORWARD, shape, Kind.PLAIN, false, VECTOR, "heap", 1),
                        new Task.OfPeer("onednn", Operation.FORWARD, shape, Fusion.NONE, 1),
                        new Task.Ours(Operation.FORWARD, shape, half, false, VECTOR, "heap", 1),
                        new Task.Ours(Operation.FORWARD, shape, brain, false, VECTOR, "heap", 1));
        assertThat(schedule.groups().getLast()).as("side by side").hasSize(4);
    }

    @Test
    void whatIsFusedIsMeasuredBesideSeparatePassesAndPeers() {
        Kind fused = new Kind(ElementType.FLOAT32, Fusion.RESIDUAL_LEAKY_RELU);
        Kind half = new Kind(ElementType.FLOAT16, Fusion.RESIDUAL_LEAKY_RELU);
        BenchShape shape = BenchShape.of(64, 4);

        assertThat(schedule(List.of(fused, half), shape, List.of("libtorch"))
                        .groups()
                        .getLast())
                .containsExactly(
                        new Task.Ours(Operation.FORWARD, shape, fused, false, VECTOR, "heap", 1),
                        new Task.OfPeer("libtorch", Operation.FORWARD, shape, Fusion.RESIDUAL_LEAKY_RELU, 1),
                        new Task.Ours(Operation.FORWARD, shape, fused, true, VECTOR, "heap", 1),
                        new Task.Ours(Operation.FORWARD, shape, half, false, VECTOR, "heap", 1));
    }

    private static Schedule schedule(List<Kind> kinds, BenchShape shape, List<String> peers) {
        return new Schedule(
                List.of(Operation.FORWARD),
                kinds,
                List.of(shape),
                List.of(VECTOR),
                List.of("heap"),
                List.of(1),
                peers,
                false,
                false);
    }

    @Test
    void theGridHasTheBatchSizesFromOneTo65536() {
        assertThat(ShapeGrid.batchSweep().stream().map(BenchShape::n))
                .containsExactly(1L, 4L, 16L, 64L, 256L, 1024L, 4096L, 16_384L, 65_536L);
        assertThat(ShapeGrid.full()).doesNotHaveDuplicates().hasSize(20 + 6);
    }

    @Test
    void aDeviceIsMeasuredOnceWhateverTheThreads() {
        MeasuredBackend device = new MeasuredBackend("tornadovm", "NVIDIA H200");
        Schedule schedule = new Schedule(
                List.of(Operation.FORWARD),
                List.of(Kind.PLAIN),
                List.of(BenchShape.of(8, 4)),
                List.of(device),
                List.of("heap"),
                List.of(1, 2),
                List.of(),
                false,
                true);

        assertThat(schedule.tasks())
                .filteredOn(task -> !(task instanceof Task.Baseline))
                .containsExactly(
                        new Task.Ours(Operation.FORWARD, BenchShape.of(8, 4), Kind.PLAIN, false, device, "heap", 0));
    }
}

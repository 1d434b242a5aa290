package org.batchnorm.bench.jmh.session;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.bench.workload.ShapeGrid;
import org.junit.jupiter.api.Test;

class ScheduleTest {
    private static final MeasuredBackend VECTOR = MeasuredBackend.onCpu("vector");
    private static final MeasuredBackend SCALAR = MeasuredBackend.onCpu("scalar");

    @Test
    void peersFollowTheFirstOfOursAndScalarIsMeasuredOnArraysAlone() {
        BenchShape shape = BenchShape.parse("256x256");
        Schedule schedule = new Schedule(
                List.of(Operation.FORWARD),
                List.of(shape),
                List.of(VECTOR, SCALAR),
                List.of("heap", "off-heap"),
                List.of(1),
                List.of("onednn"),
                false,
                false);

        assertThat(schedule.tasks())
                .containsExactly(
                        new Task.Baseline(Operation.COPY, shape, "heap", 1),
                        new Task.Baseline(Operation.STREAM, shape, "heap", 1),
                        new Task.Baseline(Operation.READ, shape, "heap", 1),
                        new Task.Baseline(Operation.STREAM, shape, "off-heap", 1),
                        new Task.Baseline(Operation.READ, shape, "off-heap", 1),
                        new Task.Ours(Operation.FORWARD, shape, VECTOR, "heap", 1),
                        new Task.OfPeer("onednn", Operation.FORWARD, shape, 1),
                        new Task.Ours(Operation.FORWARD, shape, VECTOR, "off-heap", 1),
                        new Task.Ours(Operation.FORWARD, shape, SCALAR, "heap", 1));
    }

    @Test
    void whatIsComparedTakesTurns() {
        BenchShape shape = BenchShape.parse("256x256");
        Schedule schedule = new Schedule(
                List.of(Operation.FORWARD, Operation.INFERENCE),
                List.of(shape),
                List.of(VECTOR),
                List.of("heap"),
                List.of(1),
                List.of("onednn"),
                false,
                false);

        assertThat(schedule.groups())
                .containsExactly(
                        List.of(new Task.Baseline(Operation.COPY, shape, "heap", 1)),
                        List.of(new Task.Baseline(Operation.STREAM, shape, "heap", 1)),
                        List.of(new Task.Baseline(Operation.READ, shape, "heap", 1)),
                        List.of(
                                new Task.Ours(Operation.FORWARD, shape, VECTOR, "heap", 1),
                                new Task.OfPeer("onednn", Operation.FORWARD, shape, 1)),
                        List.of(
                                new Task.Ours(Operation.INFERENCE, shape, VECTOR, "heap", 1),
                                new Task.OfPeer("onednn", Operation.INFERENCE, shape, 1)));
    }

    @Test
    void aBatchOfOneIsInferredOnly() {
        Schedule schedule = new Schedule(
                Operation.ofBatchNorm(),
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
                List.of(BenchShape.parse("32x64x56x56"), BenchShape.parse("32x64x56x56:channels-last")),
                List.of(VECTOR),
                List.of("heap"),
                List.of(1, 2),
                List.of(),
                false,
                false);

        assertThat(schedule.tasks()).filteredOn(Task.Baseline.class::isInstance).hasSize(2 * 3);
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
                List.of(BenchShape.of(8, 4)),
                List.of(device),
                List.of("heap"),
                List.of(1, 2),
                List.of(),
                false,
                true);

        assertThat(schedule.tasks())
                .filteredOn(task -> !(task instanceof Task.Baseline))
                .containsExactly(new Task.Ours(Operation.FORWARD, BenchShape.of(8, 4), device, "heap", 0));
    }
}

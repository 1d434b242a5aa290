package org.batchnorm.tornadovm;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.stream.Stream;
import org.batchnorm.data.BatchShape;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.TornadoExecutionResult;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/** The same input gives the same bits, within a plan and across plans. */
class DeterminismTest {

    static Stream<Arguments> layers() {
        return Stream.of(
                Arguments.of(BatchShape.of(4000, 5), Layers.TWO_STAGES),
                Arguments.of(BatchShape.of(4000, 5), Layers.TWO_STAGES_FLOAT64),
                Arguments.of(BatchShape.of(60, 50), Layers.OWN),
                Arguments.of(BatchShape.of(60, 50), Layers.AS_GPU));
    }

    @ParameterizedTest
    @MethodSource("layers")
    void sameBits(BatchShape shape, DeviceLimits limits) throws Exception {
        FloatArray x = Layers.gaussian(1, shape.elements(), 10, 3);
        FloatArray dy = Layers.gaussian(2, shape.elements(), 0, 1);
        float[] first = null;
        for (int plans = 0; plans < 2; plans++) {
            BatchNormTasks norm = Layers.layer(shape, limits);
            FloatArray y = Layers.filled(shape.elements(), 0);
            FloatArray dx = Layers.filled(shape.elements(), 0);
            TaskGraph graph = new TaskGraph("step").transferToDevice(DataTransferMode.FIRST_EXECUTION, x, dy);
            GridScheduler grids = new GridScheduler();
            norm.on(graph, grids).forward(x, y);
            norm.on(graph, grids).backward(x, dy, dx);
            graph.transferToHost(DataTransferMode.EVERY_EXECUTION, y, dx);
            try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
                BatchNormTasks.configure(plan, grids, Layers.DEVICE);
                for (int run = 0; run < 20; run++) {
                    TornadoExecutionResult result = plan.execute();
                    result.transferToHost(norm.statistics(), norm.gradients());
                    float[] all = FloatArray.concat(y, dx, norm.statistics(), norm.gradients())
                            .toHeapArray();
                    if (first == null) {
                        first = all;
                    }
                    assertThat(all).as("plan %d, run %d", plans, run).isEqualTo(first);
                }
            }
        }
    }
}

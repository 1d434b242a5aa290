package org.batchnorm.tornadovm;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.stream.Stream;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.data.BatchShape;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.WorkerGrid;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/** What {@link Launch} tells is what {@link BatchNormTasks} adds to a graph. */
class LaunchTest {
    private static final DeviceLimits GPU = new DeviceLimits(132, 1024, 48 << 10, false);
    private static final DeviceLimits WITHOUT_LOCAL_MEMORY = new DeviceLimits(132, 1024, 0, false);
    private static final List<String> KERNELS = List.of(
            "collectStatistics",
            "mergeStatistics",
            "transform",
            "forwardOnChip",
            "inference",
            "reduceGradients",
            "mergeGradients",
            "inputGradient",
            "backwardOnChip");

    static Stream<BatchShape> shapes() {
        return Stream.of(
                BatchShape.of(60, 100),
                BatchShape.of(700, 33),
                BatchShape.of(40_000, 3),
                BatchShape.channelsFirst(8, 6, 7, 7),
                BatchShape.channelsFirst(32, 5, 2, 2),
                BatchShape.channelsFirst(16, 3, 40, 40));
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void launchesAreThoseOfTheTasks(BatchShape shape) {
        for (DeviceLimits limits : List.of(GPU, WITHOUT_LOCAL_MEMORY)) {
            FloatArray x = new FloatArray(Math.toIntExact(shape.elements()));
            FloatArray y = new FloatArray(x.getSize());
            FloatArray dx = new FloatArray(x.getSize());
            BatchNormTasks norm = new BatchNormTasks("norm", BatchNormConfig.of(shape.c()), shape, limits);
            TaskGraph graph = new TaskGraph("g");
            graph.transferToDevice(DataTransferMode.FIRST_EXECUTION, x, y, dx);

            GridScheduler forward = new GridScheduler();
            norm.on(graph, forward).forward(x, y);
            requireSame(Launch.forward(shape, limits), forward);
            GridScheduler backward = new GridScheduler();
            norm.on(graph, backward).backward(x, y, dx);
            requireSame(Launch.backward(shape, limits), backward);
            GridScheduler inference = new GridScheduler();
            norm.on(graph, inference).inference(x, y);
            requireSame(Launch.inference(shape, limits), inference);
        }
    }

    private static void requireSame(List<Launch> launches, GridScheduler grids) {
        List<String> added = KERNELS.stream()
                .filter(kernel -> grids.get("g.norm_" + kernel) != null)
                .toList();
        assertThat(launches.stream().map(Launch::kernel)).containsExactlyElementsOf(added);
        for (Launch launch : launches) {
            WorkerGrid grid = grids.get("g.norm_" + launch.kernel());
            assertThat((long) launch.workGroup()).isEqualTo(grid.getLocalWork()[0]);
            assertThat(launch.groups() * launch.workGroup())
                    .isEqualTo(grid.getGlobalWork()[0] * grid.getGlobalWork()[1]);
            assertThat(launch.localBytes()).isBetween(0, 48 << 10);
        }
    }
}

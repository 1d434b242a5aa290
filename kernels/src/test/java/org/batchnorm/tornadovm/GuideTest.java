package org.batchnorm.tornadovm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.data.BatchShape;
import org.junit.jupiter.api.Test;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.WorkerGrid;
import uk.ac.manchester.tornado.api.WorkerGrid1D;
import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/** The program of the guide, GUIDE.md: it runs, and the guide prints it as it is here. */
class GuideTest {

    /** The caller's own kernel: {@code h = x²}. */
    static void square(KernelContext context, FloatArray x, FloatArray h) {
        h.set(context.globalIdx, x.get(context.globalIdx) * x.get(context.globalIdx));
    }

    // tag::guide[]
    static FloatArray normalizedSquares(FloatArray x, int n, int features) throws Exception {
        TornadoDevice device = TornadoExecutionPlan.getDevice(0, 0);
        FloatArray h = new FloatArray(n * features);
        FloatArray y = new FloatArray(n * features);

        // Your graph and grids.
        TaskGraph graph = new TaskGraph("step");
        GridScheduler grids = new GridScheduler();
        WorkerGrid grid = new WorkerGrid1D(n * features);
        grid.setLocalWork(features, 1, 1);
        grids.addWorkerGrid("step.square", grid);
        graph.transferToDevice(DataTransferMode.EVERY_EXECUTION, x);
        graph.task("square", GuideTest::square, new KernelContext(), x, h);

        // Batch norm behind it: h never leaves the device.
        BatchNormTasks norm =
                new BatchNormTasks("norm", BatchNormConfig.of(features), BatchShape.of(n, features), device);
        norm.forward(graph, grids, h, y);
        graph.transferToHost(DataTransferMode.EVERY_EXECUTION, y);

        // Your plan, set up so that NaN and sums keep their meaning on OpenCL.
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
            BatchNormTasks.configure(plan, grids, device);
            plan.execute();
        }
        return y;
    }
    // end::guide[]

    @Test
    void theGuidesProgramNormalizes() throws Exception {
        int n = 64;
        int features = 16;
        FloatArray x = new FloatArray(n * features);
        for (int i = 0; i < x.getSize(); i++) {
            x.set(i, (i * 37 % 101) / 10f);
        }
        FloatArray y = normalizedSquares(x, n, features);
        for (int feature = 0; feature < features; feature++) {
            double sum = 0;
            double squares = 0;
            for (int row = 0; row < n; row++) {
                double value = y.get(row * features + feature);
                sum += value;
                squares += value * value;
            }
            assertThat(sum / n).isCloseTo(0, within(1e-6));
            assertThat(squares / n).isCloseTo(1, within(1e-5));
        }
    }

    @Test
    void theGuidePrintsIt() throws Exception {
        List<String> source =
                Files.readAllLines(Path.of("src", "test", "java", "org", "batchnorm", "tornadovm", "GuideTest.java"));
        String program = String.join(
                        "\n", source.subList(line(source, "tag::guide[]") + 1, line(source, "end::guide[]")))
                .stripIndent();
        assertThat(Files.readString(Path.of("GUIDE.md"))).contains("```java\n" + program + "\n```");
    }

    private static int line(List<String> source, String text) {
        for (int i = 0; i < source.size(); i++) {
            if (source.get(i).contains("// " + text)) {
                return i;
            }
        }
        throw new AssertionError("no line has " + text);
    }
}

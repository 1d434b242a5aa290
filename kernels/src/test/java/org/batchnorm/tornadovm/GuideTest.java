package org.batchnorm.tornadovm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.Moments;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.WorkerGrid;
import uk.ac.manchester.tornado.api.WorkerGrid1D;
import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
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
        norm.on(graph, grids).forward(h, y);
        graph.transferToHost(DataTransferMode.EVERY_EXECUTION, y);

        // Your plan, set up so that NaN and sums keep their meaning on OpenCL.
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
            BatchNormTasks.configure(plan, grids, device);
            plan.execute();
        }
        return y;
    }
    // end::guide[]

    // tag::devices[]
    /** One batch, of which each device has a part, in its place of x; y likewise. */
    static FloatArray[] normalizedTogether(FloatArray[] x, int features, TornadoDevice... devices) throws Exception {
        FloatArray[] y = new FloatArray[x.length];
        DoubleArray[] moments = new DoubleArray[x.length];
        TornadoExecutionPlan[] plans = new TornadoExecutionPlan[x.length];
        for (int i = 0; i < x.length; i++) {
            y[i] = new FloatArray(x[i].getSize());
            moments[i] = Summaries.array(features);
            BatchShape part = BatchShape.of(x[i].getSize() / features, features);
            BatchNormTasks norm = new BatchNormTasks("norm", BatchNormConfig.of(features), part, devices[i]);
            GridScheduler grids = new GridScheduler();

            // What the device finds in its part goes to the host.
            TaskGraph collect = new TaskGraph("collect").transferToDevice(DataTransferMode.EVERY_EXECUTION, x[i]);
            norm.on(collect, grids).collectStatistics(x[i], moments[i]);
            collect.persistOnDevice(x[i]).transferToHost(DataTransferMode.EVERY_EXECUTION, moments[i]);

            // What is so of the whole batch comes back.
            TaskGraph forward = new TaskGraph("forward")
                    .consumeFromDevice("collect", x[i])
                    .transferToDevice(DataTransferMode.EVERY_EXECUTION, moments[i]);
            norm.on(forward, grids).mergeStatistics(moments[i]);
            norm.on(forward, grids).transform(x[i], y[i]);
            forward.transferToHost(DataTransferMode.EVERY_EXECUTION, y[i]);

            plans[i] = new TornadoExecutionPlan(collect.snapshot(), forward.snapshot());
            BatchNormTasks.configure(plans[i], grids, devices[i]);
        }

        Moments whole = new Moments(features);
        for (int i = 0; i < x.length; i++) {
            plans[i].withGraph(0).execute();
            Moments part = new Moments(features);
            Summaries.read(moments[i], part);
            whole.add(part);
        }
        for (int i = 0; i < x.length; i++) {
            Summaries.write(whole, moments[i]);
            plans[i].withGraph(1).execute();
            plans[i].close();
        }
        return y;
    }
    // end::devices[]

    @Test
    void theGuidesProgramNormalizes() throws Exception {
        int n = 64;
        int features = 16;
        FloatArray x = new FloatArray(n * features);
        for (int i = 0; i < x.getSize(); i++) {
            x.set(i, (i * 37 % 101) / 10f);
        }
        assertNormalized(features, normalizedSquares(x, n, features));
    }

    @Test
    void theGuidesDevicesNormalizeTogether() throws Exception {
        int features = 16;
        FloatArray[] x = {new FloatArray(40 * features), new FloatArray(25 * features)};
        for (int part = 0; part < x.length; part++) {
            for (int i = 0; i < x[part].getSize(); i++) {
                x[part].set(i, 50 * part + (i * 37 % 101) / 10f);
            }
        }
        TornadoDevice device = TornadoExecutionPlan.getDevice(0, 0);
        assertNormalized(features, normalizedTogether(x, features, device, device));
    }

    private static void assertNormalized(int features, FloatArray... y) {
        float[] all = FloatArray.concat(y).toHeapArray();
        int n = all.length / features;
        for (int feature = 0; feature < features; feature++) {
            double sum = 0;
            double squares = 0;
            for (int row = 0; row < n; row++) {
                double value = all[row * features + feature];
                sum += value;
                squares += value * value;
            }
            assertThat(sum / n).isCloseTo(0, within(1e-6));
            assertThat(squares / n).isCloseTo(1, within(1e-5));
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"guide", "devices"})
    void theGuidePrintsIt(String tag) throws Exception {
        List<String> source =
                Files.readAllLines(Path.of("src", "test", "java", "org", "batchnorm", "tornadovm", "GuideTest.java"));
        String program = String.join(
                        "\n",
                        source.subList(line(source, "tag::" + tag + "[]") + 1, line(source, "end::" + tag + "[]")))
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

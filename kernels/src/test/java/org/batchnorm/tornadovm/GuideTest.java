package org.batchnorm.tornadovm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assertions.withinPercentage;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import org.batchnorm.BatchNorm;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.PopulationStatistics;
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

    // tag::population[]
    /** What the layer that gets these batches sees of the whole data set; the last one may be smaller. */
    static PopulationStatistics population(List<float[]> batches, int n, int features) throws Exception {
        TornadoDevice device = TornadoExecutionPlan.getDevice(0, 0);
        FloatArray x = new FloatArray(n * features);
        DoubleArray found = Summaries.array(features);
        SampleCount samples = SampleCount.atMost(n);
        BatchNormTasks norm =
                new BatchNormTasks("norm", BatchNormConfig.of(features), BatchShape.of(n, features), device);
        GridScheduler grids = new GridScheduler();

        // Of each batch 2 · C + 1 numbers go to the host.
        TaskGraph graph = new TaskGraph("collect").transferToDevice(DataTransferMode.EVERY_EXECUTION, x);
        norm.on(graph, grids, samples).collectStatistics(x, found);
        graph.transferToHost(DataTransferMode.EVERY_EXECUTION, found);

        PopulationStatistics population = new PopulationStatistics(features);
        Moments ofBatch = new Moments(features);
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
            BatchNormTasks.configure(plan, grids, device);
            for (float[] batch : batches) {
                for (int i = 0; i < batch.length; i++) {
                    x.set(i, batch[i]);
                }
                samples.set(batch.length / features);
                plan.execute();
                Summaries.read(found, ofBatch);
                population.add(ofBatch);
            }
        }
        return population;
    }
    // end::population[]

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

    /** The values of both estimates, and the way of one into layers of the host and of a device. */
    @Test
    void theGuidesPopulationIsThatOfAllValues() throws Exception {
        int features = 16;
        List<float[]> batches = List.of(random(40, 1), random(40, 2), random(25, 3));
        PopulationStatistics population = population(batches, 40, features);

        assertThat(population.count()).isEqualTo(105);
        assertThat(population.batches()).isEqualTo(3);
        for (int c = 0; c < features; c++) {
            double[] all = new double[0];
            double meanOfMeans = 0;
            double meanOfVariances = 0;
            for (float[] batch : batches) {
                double[] values = feature(batch, c, features);
                meanOfMeans += mean(values) / 3;
                meanOfVariances += variance(values) / 3;
                all = DoubleStream.concat(Arrays.stream(all), Arrays.stream(values))
                        .toArray();
            }
            assertThat(population.exact().mean()[c]).isCloseTo(mean(all), within(1e-5));
            assertThat(population.exact().variance()[c]).isCloseTo(variance(all), withinPercentage(1e-4));
            assertThat(population.algorithm2().mean()[c]).isCloseTo(meanOfMeans, within(1e-5));
            assertThat(population.algorithm2().variance()[c]).isCloseTo(meanOfVariances, withinPercentage(1e-4));
        }

        BatchShape shape = BatchShape.of(40, features);
        BatchNormTasks norm =
                new BatchNormTasks("norm", BatchNormConfig.of(features), shape, TornadoExecutionPlan.getDevice(0, 0));
        try (BatchNorm layer = BatchNorm.builder(features).build()) {
            layer.setRunningStatistics(population.exact());
            norm.loadState(layer.state());
        }
        for (int c = 0; c < features; c++) {
            assertThat(norm.runningStatistics().get(c))
                    .isEqualTo((float) population.exact().mean()[c]);
            assertThat(norm.runningStatistics().get(features + c))
                    .isEqualTo((float) population.exact().variance()[c]);
        }
    }

    /** Features apart from 0, each batch a little elsewhere. */
    private static float[] random(int n, int seed) {
        Random random = new Random(seed);
        float[] values = new float[n * 16];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (10 * (i % 16) + seed + (1 + i % 3) * random.nextGaussian());
        }
        return values;
    }

    private static double[] feature(float[] batch, int feature, int features) {
        return IntStream.range(0, batch.length / features)
                .mapToDouble(row -> batch[row * features + feature])
                .toArray();
    }

    private static double mean(double[] values) {
        return Arrays.stream(values).average().orElseThrow();
    }

    /** The unbiased one. */
    private static double variance(double[] values) {
        double mean = mean(values);
        return Arrays.stream(values).map(v -> (v - mean) * (v - mean)).sum() / (values.length - 1);
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
    @ValueSource(strings = {"guide", "devices", "population"})
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

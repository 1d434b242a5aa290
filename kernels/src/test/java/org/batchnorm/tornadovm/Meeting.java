package org.batchnorm.tornadovm;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalDouble;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.conformance.Quantity;
import org.batchnorm.conformance.Reference;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Moments;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.TornadoExecutionResult;
import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.exceptions.TornadoExecutionPlanException;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/** Layers with a part of a batch each, on one device or on several, that meet on the host: they must be one layer. */
final class Meeting {
    private static final double MOMENTUM = 0.3;

    private Meeting() {}

    /**
     * A batch and how it is cut.
     *
     * @param samples of each part
     * @param meanOfDy in deviations
     */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Cut(String name, BatchShape shape, DeviceLimits limits, int[] samples, double meanOfDy) {

        static List<Cut> all() {
            BatchShape columns = BatchShape.of(24, 10);
            BatchShape planes = BatchShape.channelsFirst(7, 5, 9, 8);
            BatchShape smallPlanes = BatchShape.channelsFirst(40, 7, 3);
            return List.of(
                    of("two parts", columns, Layers.OWN, 17, 7),
                    of("one of a single sample", columns, Layers.TWO_STAGES, 23, 1),
                    of("single samples", BatchShape.of(2, 10), Layers.OWN, 1, 1),
                    of("planes", planes, Layers.TWO_STAGES, 2, 1, 4),
                    of("small planes", smallPlanes, Layers.OWN, 20, 20),
                    new Cut("a mean of dy", columns, Layers.AS_GPU, new int[] {17, 7}, 30),
                    new Cut("a large mean of dy", columns, Layers.TWO_STAGES, new int[] {17, 7}, 1e5),
                    new Cut("a large mean of dy, small planes", smallPlanes, Layers.OWN, new int[] {9, 31}, 1e5));
        }

        /** One of each layout and kind of device: on two devices everything is compiled twice. */
        static List<Cut> forTwoDevices() {
            List<Cut> all = all();
            return List.of(all.get(0), all.get(3), all.get(7));
        }

        private static Cut of(String name, BatchShape shape, DeviceLimits limits, int... samples) {
            return new Cut(name, shape, limits, samples, 0.5);
        }

        @Override
        public String toString() {
            return name;
        }
    }

    /**
     * A training step of the layers, their results within the bar of what the whole batch gives.
     *
     * @param devices which the parts take in turn
     */
    static void check(Cut cut, TornadoDevice... devices) throws Exception {
        BatchShape shape = cut.shape();
        FloatArray x = Layers.gaussian(1, shape.elements(), 3, 2);
        FloatArray dy = Layers.gaussian(2, shape.elements(), cut.meanOfDy(), 1);
        List<Part> parts = parts(cut, x, dy, devices);
        try {
            parts.forEach(part -> part.execute(0));
            Moments whole = merge(parts, shape.c());
            assertThat(whole.count()).isEqualTo(shape.valuesPerFeature());
            parts.forEach(part -> Summaries.write(whole, part.merged));
            parts.forEach(part -> part.execute(1).transferToHost(part.norm.statistics()));

            parts.forEach(part -> part.execute(2));
            GradientSums sums = add(parts, shape.c());
            assertThat(sums.count()).isEqualTo(shape.valuesPerFeature());
            parts.forEach(part -> Summaries.write(sums, part.sums));
            for (Part part : parts) {
                TornadoExecutionResult result = part.execute(3);
                result.transferToHost(part.norm.gradients());
                part.norm.state(result);
            }
            check(cut.name(), shape, parts, x, dy);
        } finally {
            for (Part part : parts) {
                part.close();
            }
        }
    }

    private static List<Part> parts(Cut cut, FloatArray x, FloatArray dy, TornadoDevice... devices) {
        BatchShape shape = cut.shape();
        List<Part> parts = new ArrayList<>();
        int begin = 0;
        for (int n : cut.samples()) {
            BatchShape ofPart = new BatchShape(n, shape.c(), shape.spatial(), shape.layout());
            int end = begin + Math.toIntExact(ofPart.elements());
            TornadoDevice device = devices[parts.size() % devices.length];
            parts.add(new Part(ofPart, cut.limits(), device, slice(x, begin, end), slice(dy, begin, end)));
            begin = end;
        }
        return parts;
    }

    private static FloatArray slice(FloatArray array, int begin, int end) {
        return FloatArray.fromArray(Arrays.copyOfRange(array.toHeapArray(), begin, end));
    }

    private static Moments merge(List<Part> parts, int features) {
        Moments whole = new Moments(features);
        Moments one = new Moments(features);
        for (Part part : parts) {
            Summaries.read(part.moments, one);
            whole.add(one);
        }
        return whole;
    }

    private static GradientSums add(List<Part> parts, int features) {
        GradientSums whole = new GradientSums(features);
        GradientSums one = new GradientSums(features);
        for (Part part : parts) {
            Summaries.read(part.sums, one);
            whole.add(one);
        }
        return whole;
    }

    /** As one layer with the whole batch, each of the layers in its statistics and gradients. */
    private static void check(String name, BatchShape shape, List<Part> parts, FloatArray x, FloatArray dy) {
        FloatArray y = FloatArray.concat(parts.stream().map(part -> part.y).toArray(FloatArray[]::new));
        FloatArray dx = FloatArray.concat(parts.stream().map(part -> part.dx).toArray(FloatArray[]::new));
        for (Part part : parts) {
            BatchNormTasks norm = part.norm;
            Layers.Expected expected = Layers.Expected.training(norm, shape, x, dy);
            expected.check(name, norm, y, dx);
            double[] mean = expected.statistics().mean();
            double[] unbiased = Reference.unbiased(expected.statistics().variance(), shape.valuesPerFeature());
            double[] ones = new double[shape.c()];
            Arrays.fill(ones, 1);
            Layers.assertWithinBar(
                    name,
                    Quantity.RUNNING_MEAN,
                    norm.runningStatistics(),
                    0,
                    Reference.updateRunning(new double[shape.c()], mean, MOMENTUM));
            Layers.assertWithinBar(
                    name,
                    Quantity.RUNNING_VAR,
                    norm.runningStatistics(),
                    shape.c(),
                    Reference.updateRunning(ones, unbiased, MOMENTUM));
            assertThat(norm.numBatchesTracked().get(0)).isEqualTo(1);
        }
    }

    /** A layer, its part of the batch, and the four graphs between which the layers meet. */
    private static final class Part implements AutoCloseable {
        final BatchNormTasks norm;
        final FloatArray y;
        final FloatArray dx;
        final DoubleArray moments;
        final DoubleArray merged;
        final DoubleArray sums;
        private final TornadoExecutionPlan plan;

        Part(BatchShape shape, DeviceLimits limits, TornadoDevice device, FloatArray x, FloatArray dy) {
            BatchNormConfig config = new BatchNormConfig(shape.c(), 1e-3, OptionalDouble.of(MOMENTUM), true, true);
            this.norm = new BatchNormTasks("norm", config, shape, limits);
            Layers.randomParameters(norm, 11);
            this.y = Layers.filled(shape.elements(), Float.NaN);
            this.dx = Layers.filled(shape.elements(), Float.NaN);
            this.moments = Summaries.array(shape.c());
            this.merged = Summaries.array(shape.c());
            this.sums = Summaries.array(shape.c());

            GridScheduler grids = new GridScheduler();
            TaskGraph collect = new TaskGraph("collect").transferToDevice(DataTransferMode.FIRST_EXECUTION, x);
            norm.on(collect, grids).collectStatistics(x, moments);
            collect.persistOnDevice(x).transferToHost(DataTransferMode.EVERY_EXECUTION, moments);

            TaskGraph forward = new TaskGraph("forward")
                    .consumeFromDevice("collect", x)
                    .transferToDevice(DataTransferMode.EVERY_EXECUTION, merged);
            norm.on(forward, grids).mergeStatistics(merged);
            norm.on(forward, grids).transform(x, y);
            forward.persistOnDevice(x).transferToHost(DataTransferMode.EVERY_EXECUTION, y);

            TaskGraph reduce = new TaskGraph("reduce")
                    .consumeFromDevice("forward", x)
                    .transferToDevice(DataTransferMode.EVERY_EXECUTION, dy, moments);
            norm.on(reduce, grids).reduceGradients(x, dy, moments, sums);
            reduce.persistOnDevice(x, dy).transferToHost(DataTransferMode.EVERY_EXECUTION, sums);

            TaskGraph backward = new TaskGraph("backward")
                    .consumeFromDevice("reduce", x, dy)
                    .transferToDevice(DataTransferMode.EVERY_EXECUTION, sums);
            norm.on(backward, grids).mergeGradients(sums);
            norm.on(backward, grids).inputGradient(x, dy, dx);
            backward.transferToHost(DataTransferMode.EVERY_EXECUTION, dx);

            this.plan = BatchNormTasks.configure(
                    new TornadoExecutionPlan(
                            collect.snapshot(), forward.snapshot(), reduce.snapshot(), backward.snapshot()),
                    grids,
                    device);
        }

        TornadoExecutionResult execute(int graph) {
            return plan.withGraph(graph).execute();
        }

        @Override
        public void close() throws TornadoExecutionPlanException {
            plan.close();
        }
    }
}

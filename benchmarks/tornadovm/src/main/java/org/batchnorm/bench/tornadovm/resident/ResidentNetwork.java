package org.batchnorm.bench.tornadovm.resident;

import java.util.ArrayList;
import java.util.List;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.bench.tornadovm.resident.ResidentLayer.Trained;
import org.batchnorm.spi.Activations;
import org.batchnorm.tornadovm.BatchNormTasks;
import org.batchnorm.tornadovm.SampleCount;
import org.jspecify.annotations.Nullable;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.TornadoExecutionResult;
import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.exceptions.TornadoExecutionPlanException;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/**
 * A classifier that trains wholly on the device. The images, the parameters, the optimizer's state, every activation
 * and the loss of every step live there; a step is one {@code execute()} that sends the indexes of its images and the
 * learning rate, some hundred bytes, and reads nothing back.
 *
 * <p>One plan holds two graphs, which share the parameters and the running statistics:
 *
 * <pre>
 * train   batch ─▶ gather ─▶ layer ─▶ … ─▶ layer ─▶ softmaxCrossEntropy ─▶ losses[step]
 *                              ▲             ▲              │
 *                              │ parameters  │              ▼ gradient
 *                           optimizer ◀── layer ◀── … ◀── layer
 *
 * test    batch ─▶ gather ─▶ layer ─▶ … ─▶ layer ─▶ score ─▶ host
 * </pre>
 *
 * Where TornadoVM's backend records {@link CudaGraphs}, the first execution of each graph is recorded and the others
 * replay it. The kernels read the number of rows from the device's memory, and grids are those of the largest batch: so
 * one recording serves batches of every size.
 */
public final class ResidentNetwork implements AutoCloseable {
    private static final int TRAIN = 0;
    private static final int TEST = 1;

    private final int steps;
    private final int testImages;
    private final Optimizer optimizer;
    private final SampleCount trainSamples;
    private final SampleCount testSamples;
    private final IntArray trainBatch;
    private final IntArray testBatch;
    private final FloatArray rates = new FloatArray(Optimizer.RATES);
    private final FloatArray losses;
    private final FloatArray score = new FloatArray(2);
    private final TornadoExecutionPlan plan;
    private int stepsTaken;
    private @Nullable TornadoExecutionResult latestStep;

    /**
     * Builds the graphs. The first {@link #step} and the first {@link #evaluate} compile them.
     *
     * @param layers first to last
     * @param train to train on
     * @param test to evaluate with
     * @param schedule how
     * @param device where everything runs
     * @throws IllegalArgumentException if the layers do not fit each other or the images
     */
    public ResidentNetwork(List<Layer> layers, Images train, Images test, Schedule schedule, TornadoDevice device) {
        this(layers, train, test, schedule, device, CudaGraphs.recordedOn(device));
    }

    /** The same with or without replay. */
    ResidentNetwork(
            List<Layer> layers, Images train, Images test, Schedule schedule, TornadoDevice device, boolean replay) {
        requireFit(layers, train, test);
        int batchSize = schedule.batchSize();
        this.steps = schedule.steps();
        this.testImages = test.count();
        this.optimizer = schedule.optimizer();
        this.trainSamples = SampleCount.atMost(batchSize);
        this.trainBatch = new IntArray(NetworkKernels.FIRST_IMAGE + batchSize);
        this.losses = new FloatArray(steps);
        losses.init(0);

        int testRows = batchSize;
        this.testBatch = new IntArray(NetworkKernels.FIRST_IMAGE + testRows);
        this.testSamples = SampleCount.atMost(testRows);

        GridScheduler grids = new GridScheduler();
        List<ResidentLayer> network = build(layers, batchSize, device);
        IntArray classes = IntArray.fromElements(network.getLast().outputs());
        List<Object> shared = new ArrayList<>(List.of(classes));
        network.forEach(layer -> shared.addAll(layer.resident()));

        Tasks trainTasks = new Tasks(new TaskGraph("train"), grids, trainSamples);
        addTraining(trainTasks, network, train, classes, shared);
        Tasks testTasks = new Tasks(new TaskGraph("test"), grids, testSamples);
        addTest(testTasks, network, test, classes, shared);
        this.plan = new TornadoExecutionPlan(
                trainTasks.graph().snapshot(), testTasks.graph().snapshot());
        BatchNormTasks.configure(plan, grids, device);
        if (replay) {
            plan.withCUDAGraph();
        }
    }

    private void addTraining(
            Tasks tasks, List<ResidentLayer> network, Images images, IntArray classes, List<Object> shared) {
        TaskGraph graph = tasks.graph();
        graph.transferToDevice(DataTransferMode.FIRST_EXECUTION, images.pixels(), images.labels(), losses);
        graph.transferToDevice(DataTransferMode.FIRST_EXECUTION, shared.toArray());
        graph.transferToDevice(DataTransferMode.EVERY_EXECUTION, trainBatch, rates, tasks.rows());

        FloatArray y = addGather(tasks, trainBatch, images);
        for (ResidentLayer layer : network) {
            y = layer.addForward(tasks, y);
        }
        FloatArray gradient = new FloatArray(y.getSize());
        tasks.oneGroup("loss");
        graph.task(
                "loss",
                NetworkKernels::softmaxCrossEntropy,
                new KernelContext(),
                tasks.rows(),
                trainBatch,
                classes,
                images.labels(),
                y,
                gradient,
                losses);
        for (ResidentLayer layer : network.subList(1, network.size()).reversed()) {
            gradient = layer.addBackward(tasks, gradient);
        }
        network.getFirst().addParameterGradients(tasks, gradient);
        for (ResidentLayer layer : network) {
            layer.trained().forEach(trained -> addUpdate(tasks, trained));
        }
        graph.persistOnDevice(shared.toArray());
        graph.persistOnDevice(losses);
    }

    private void addTest(
            Tasks tasks, List<ResidentLayer> network, Images images, IntArray classes, List<Object> shared) {
        TaskGraph graph = tasks.graph();
        graph.consumeFromDevice("train", shared.toArray());
        graph.transferToDevice(DataTransferMode.FIRST_EXECUTION, images.pixels(), images.labels());
        graph.transferToDevice(DataTransferMode.EVERY_EXECUTION, testBatch, tasks.rows());
        FloatArray y = addGather(tasks, testBatch, images);
        for (ResidentLayer layer : network) {
            y = layer.addInference(tasks, y);
        }
        tasks.oneGroup("score");
        graph.task(
                "score",
                NetworkKernels::score,
                new KernelContext(),
                tasks.rows(),
                testBatch,
                classes,
                images.labels(),
                y,
                score);
        graph.persistOnDevice(shared.toArray());
        graph.transferToHost(DataTransferMode.EVERY_EXECUTION, score);
    }

    private static FloatArray addGather(Tasks tasks, IntArray batch, Images images) {
        FloatArray x = new FloatArray(tasks.capacity() * images.width());
        tasks.overRows("gather", images.width(), tasks.capacity());
        tasks.graph()
                .task(
                        "gather",
                        NetworkKernels::gather,
                        new KernelContext(),
                        tasks.rows(),
                        batch,
                        images.pixels(),
                        x,
                        images.width());
        return x;
    }

    private void addUpdate(Tasks tasks, Trained trained) {
        int n = trained.values().getSize();
        FloatArray state = new FloatArray(optimizer.states() * n);
        state.init(0);
        String task = trained.task() + "Update";
        tasks.overElements(task, n);
        tasks.graph().transferToDevice(DataTransferMode.FIRST_EXECUTION, state);
        switch (optimizer) {
            case Optimizer.Sgd sgd ->
                tasks.graph()
                        .task(
                                task,
                                NetworkKernels::sgd,
                                new KernelContext(),
                                trained.values(),
                                trained.gradients(),
                                state,
                                rates,
                                n);
            case Optimizer.Adam adam ->
                tasks.graph()
                        .task(
                                task,
                                NetworkKernels::adam,
                                new KernelContext(),
                                trained.values(),
                                trained.gradients(),
                                state,
                                rates,
                                n,
                                Optimizer.Adam.BETA1,
                                Optimizer.Adam.BETA2,
                                Optimizer.Adam.EPSILON);
        }
    }

    private static List<ResidentLayer> build(List<Layer> layers, int capacity, TornadoDevice device) {
        List<ResidentLayer> network = new ArrayList<>();
        int width = 0;
        for (Layer layer : layers) {
            String name = "layer" + network.size();
            ResidentLayer built = switch (layer) {
                case Layer.Linear linear -> new LinearLayer(name, linear.weight(), linear.bias());
                case Layer.LeakyRelu leaky -> ActivationLayer.leakyRelu(name, width, leaky.slope());
                case Layer.Sigmoid sigmoid -> ActivationLayer.sigmoid(name, width);
                case Layer.BatchNorm norm -> new BatchNormLayer(name, norm, capacity, device);
            };
            network.add(built);
            width = built.outputs();
        }
        return network;
    }

    private static void requireFit(List<Layer> layers, Images train, Images test) {
        if (train.width() != test.width()) {
            throw new IllegalArgumentException("test: images of " + test.width() + " pixels given, must have "
                    + train.width() + " as those to train on");
        }
        int width = train.width();
        for (int i = 0; i < layers.size(); i++) {
            int expected = switch (layers.get(i)) {
                case Layer.Linear linear -> linear.weight().length / linear.bias().length;
                case Layer.BatchNorm norm -> norm.config().features();
                case Layer.LeakyRelu leaky -> width;
                case Layer.Sigmoid sigmoid -> width;
            };
            if (expected != width) {
                throw new IllegalArgumentException(
                        "layers[" + i + "]: " + expected + " inputs given, must be " + width + " as what comes before");
            }
            if (layers.get(i) instanceof Layer.Linear linear) {
                width = linear.bias().length;
            }
        }
    }

    /**
     * One step of training on the given images. Its loss stays on the device, see {@link #losses}.
     *
     * @param images the indexes of a batch of images to train on; fewer than the batch size are a smaller batch
     * @throws IllegalArgumentException if they are more, or too few: with batch norm at least 2, else 1
     * @throws IllegalStateException if all steps have been taken
     */
    public void step(int[] images) {
        if (images.length < 1 || images.length > trainSamples.max()) {
            throw new IllegalArgumentException(
                    "images: " + images.length + " given, must be at least 1 and at most " + trainSamples.max());
        }
        if (stepsTaken == steps) {
            throw new IllegalStateException("the network was made for " + steps + " steps, and has taken them");
        }
        trainSamples.set(images.length);
        trainBatch.set(0, stepsTaken);
        for (int i = 0; i < images.length; i++) {
            trainBatch.set(NetworkKernels.FIRST_IMAGE + i, images[i]);
        }
        stepsTaken++;
        optimizer.writeRates(stepsTaken, rates);
        latestStep = plan.withGraph(TRAIN).execute();
    }

    /**
     * Reads the losses of the steps taken so far from the device: the mean over each batch, before its step moved the
     * parameters.
     */
    public float[] losses() {
        if (latestStep == null) {
            return new float[0];
        }
        plan.withGraph(TRAIN);
        latestStep.transferToHost(losses);
        float[] taken = new float[stepsTaken];
        for (int i = 0; i < stepsTaken; i++) {
            taken[i] = losses.get(i);
        }
        return taken;
    }

    /** Looks at all test images, in inference mode. At least one step must have been taken. */
    public Score evaluate() {
        double lossSum = 0;
        double correct = 0;
        testBatch.set(0, 0);
        for (int from = 0; from < testImages; from += testSamples.max()) {
            int n = Math.min(testSamples.max(), testImages - from);
            testSamples.set(n);
            for (int i = 0; i < n; i++) {
                testBatch.set(NetworkKernels.FIRST_IMAGE + i, from + i);
            }
            plan.withGraph(TEST).execute();
            lossSum += score.get(0);
            correct += score.get(1);
        }
        return new Score(lossSum / testImages, correct / testImages);
    }

    /** Frees the device's memory. */
    @Override
    public void close() {
        try {
            plan.close();
        } catch (TornadoExecutionPlanException e) {
            throw new IllegalStateException("the plan could not be closed", e);
        }
    }

    /**
     * How to train.
     *
     * @param optimizer the same for all parameters
     * @param batchSize the most rows of a step
     * @param steps the most that will be taken
     */
    public record Schedule(Optimizer optimizer, int batchSize, int steps) {}

    /** A layer to build. */
    public sealed interface Layer {
        /**
         * {@code y = x · W + b}.
         *
         * @param weight the initial W, (inputs, outputs)
         * @param bias the initial b, (outputs)
         */
        @SuppressWarnings("ArrayRecordComponent") // Copied to the device, never compared.
        record Linear(float[] weight, float[] bias) implements Layer {}

        /** {@code y = x} for x &gt; 0, else {@code y = slope · x}. */
        record LeakyRelu(float slope) implements Layer {}

        /** {@code y = 1 / (1 + exp(−x))}. */
        record Sigmoid() implements Layer {}

        /**
         * Batch norm.
         *
         * @param activations what it does before and after, in the same passes over memory
         */
        record BatchNorm(BatchNormConfig config, Activations activations) implements Layer {}
    }

    /**
     * Labelled images.
     *
     * @param pixels (images, width)
     * @param labels (images)
     * @param width pixels of one image
     */
    public record Images(FloatArray pixels, IntArray labels, int width) {
        int count() {
            return labels.getSize();
        }
    }

    /**
     * How well the test images are classified.
     *
     * @param loss the mean
     * @param accuracy the share classified correctly, within [0, 1]
     */
    public record Score(double loss, double accuracy) {}
}

package org.batchnorm.dl4j;

import static org.batchnorm.dl4j.Samples.difference;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;
import org.batchnorm.InTurns;
import org.deeplearning4j.nn.api.Layer;
import org.deeplearning4j.nn.conf.NeuralNetConfiguration;
import org.deeplearning4j.nn.conf.inputs.InputType;
import org.deeplearning4j.nn.conf.layers.ActivationLayer;
import org.deeplearning4j.nn.conf.layers.DenseLayer;
import org.deeplearning4j.nn.conf.layers.OutputLayer;
import org.deeplearning4j.nn.multilayer.MultiLayerNetwork;
import org.deeplearning4j.nn.workspace.ArrayType;
import org.deeplearning4j.nn.workspace.LayerWorkspaceMgr;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.activations.Activation;
import org.nd4j.linalg.api.memory.MemoryWorkspace;
import org.nd4j.linalg.api.memory.conf.WorkspaceConfiguration;
import org.nd4j.linalg.api.memory.enums.LearningPolicy;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.dataset.DataSet;
import org.nd4j.linalg.learning.config.Sgd;
import org.nd4j.linalg.lossfunctions.LossFunctions.LossFunction;

/**
 * Times Deeplearning4j's batch normalization and this library's in turns: forward and backward of the layer, and whole
 * training steps. What is timed is compared first. Then, in new processes, the first seconds of training.
 *
 * <p>A whole run is a process for one thread and one for all, of some minutes. The machine should be idle.
 */
final class Dl4jBenchmark {
    private static final double TOLERANCE = 1e-4;

    private static final WorkspaceConfiguration WORKSPACE = WorkspaceConfiguration.builder()
            .initialSize(0)
            .overallocationLimit(0.1)
            .policyLearning(LearningPolicy.OVER_TIME)
            .cyclesBeforeInitialization(3)
            .build();
    private static final LayerWorkspaceMgr WORKSPACES =
            LayerWorkspaceMgr.builder().defaultWorkspace("BENCHMARK", WORKSPACE).build();

    private Dl4jBenchmark() {}

    /** Without arguments everything, in processes of its own; these get what they do and the number of threads. */
    public static void main(String[] arguments) throws Exception {
        if (arguments.length == 0) {
            int processors = Runtime.getRuntime().availableProcessors();
            for (int threads : IntStream.of(1, processors).distinct().toArray()) {
                System.out.printf("%n%d thread(s)%n", threads);
                InTurns.process(Dl4jBenchmark.class, "steady", threads);
                System.out.printf(
                        Locale.ROOT,
                        "%nthe first seconds of 64-256-256-10: ms a step, median of each quarter second in which one began%n");
                InTurns.process(Dl4jBenchmark.class, "own", threads);
                InTurns.process(Dl4jBenchmark.class, "ours", threads);
            }
            return;
        }
        switch (arguments[0]) {
            case "steady" -> steady();
            case "own" -> firstSeconds(new org.deeplearning4j.nn.conf.layers.BatchNormalization.Builder().build());
            case "ours" -> firstSeconds(new BatchNormalization.Builder().build());
            default -> throw new IllegalArgumentException(arguments[0] + " given, must be steady, own or ours");
        }
    }

    // ---- steady speed

    private static void steady() {
        InTurns.head("DL4J", "ours");
        compareLayer(64, 1024);
        compareLayer(256, 256);
        compareLayer(32, 64, 28, 28);
        InTurns.head("DL4J", "ours", "without");
        compareSteps();
    }

    private static void compareLayer(long... shape) {
        INDArray x = Samples.normal(1, shape);
        INDArray dy = Samples.normal(2, shape);
        LayerPair pair = new LayerPair(new BatchNormalization.Builder(), (int) shape[1]);
        LayerPair.forward(pair.own, x, true);
        LayerPair.forward(pair.ours, x, true);
        INDArray expected = LayerPair.backward(pair.own, dy).getSecond();
        double error = difference(LayerPair.backward(pair.ours, dy).getSecond(), expected);
        if (!(error < TOLERANCE)) {
            throw new IllegalStateException("dx differs by " + error + " at shape " + Arrays.toString(shape));
        }
        InTurns.report("layer " + Arrays.toString(shape), () -> pass(pair.own, x, dy), () -> pass(pair.ours, x, dy));
    }

    /** Forward and backward as a network calls them, in a workspace. */
    @SuppressWarnings("try") // the workspace is open while the layer works
    private static void pass(Layer layer, INDArray x, INDArray dy) {
        try (MemoryWorkspace scope = WORKSPACES.notifyScopeEntered(ArrayType.ACTIVATIONS)) {
            layer.activate(x, true, WORKSPACES);
            layer.backpropGradient(dy, WORKSPACES);
        }
    }

    private static void compareSteps() {
        DataSet data = data();
        MultiLayerNetwork own = network(new org.deeplearning4j.nn.conf.layers.BatchNormalization.Builder().build());
        MultiLayerNetwork ours = network(new BatchNormalization.Builder().build());
        MultiLayerNetwork without = network(null);
        own.fit(data);
        ours.fit(data);
        double error = difference(ours.params(), own.params());
        if (!(error < TOLERANCE)) {
            throw new IllegalStateException("parameters differ by " + error + " after a step");
        }
        InTurns.report("step 64-256-256-10", () -> own.fit(data), () -> ours.fit(data), () -> without.fit(data));
    }
    // ---- the first seconds

    private static void firstSeconds(org.deeplearning4j.nn.conf.layers.Layer layer) {
        MultiLayerNetwork network = network(layer);
        DataSet data = data();
        StringBuilder line = new StringBuilder();
        long begin = System.nanoTime();
        for (int quarter = 1; quarter <= 12; quarter++) {
            List<Double> steps = new ArrayList<>();
            while (System.nanoTime() - begin < quarter * 250_000_000L) {
                steps.add(InTurns.millis(() -> network.fit(data), 1));
            }
            double[] millis = steps.stream().mapToDouble(Double::doubleValue).toArray();
            line.append(
                    steps.isEmpty() ? "       -" : String.format(Locale.ROOT, " %7.2f", InTurns.quantile(millis, 0.5)));
        }
        System.out.printf("%-5s%s%n", layer instanceof BatchNormalization ? "ours" : "DL4J", line);
    }

    private static DataSet data() {
        return new DataSet(Samples.normal(1, 64, 64), Samples.labels(2, 64, 10));
    }

    private static MultiLayerNetwork network(org.deeplearning4j.nn.conf.layers.@Nullable Layer batchNormalization) {
        NeuralNetConfiguration.ListBuilder list = new NeuralNetConfiguration.Builder()
                .seed(7)
                .updater(new Sgd(0.01))
                .list();
        for (int i = 0; i < 2; i++) {
            list.layer(new DenseLayer.Builder()
                    .nOut(256)
                    .activation(Activation.IDENTITY)
                    .build());
            if (batchNormalization != null) {
                list.layer(batchNormalization.clone());
            }
            list.layer(new ActivationLayer.Builder().activation(Activation.RELU).build());
        }
        list.layer(new OutputLayer.Builder(LossFunction.MCXENT)
                .nOut(10)
                .activation(Activation.SOFTMAX)
                .build());
        MultiLayerNetwork network = new MultiLayerNetwork(
                list.setInputType(InputType.feedForward(64)).build());
        network.init();
        return network;
    }
}

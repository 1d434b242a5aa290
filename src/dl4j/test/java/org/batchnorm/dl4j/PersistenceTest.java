package org.batchnorm.dl4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.batchnorm.dl4j.Networks.CLASSES;
import static org.batchnorm.dl4j.Networks.INPUTS;
import static org.batchnorm.dl4j.Samples.batch;
import static org.batchnorm.dl4j.Samples.difference;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.ObjectInputStream;
import java.io.ObjectOutputStream;
import java.lang.reflect.Field;
import org.deeplearning4j.nn.conf.CNN2DFormat;
import org.deeplearning4j.nn.conf.ComputationGraphConfiguration;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;
import org.deeplearning4j.nn.conf.constraint.MaxNormConstraint;
import org.deeplearning4j.nn.conf.dropout.Dropout;
import org.deeplearning4j.nn.conf.layers.misc.FrozenLayerWithBackprop;
import org.deeplearning4j.nn.graph.ComputationGraph;
import org.deeplearning4j.nn.multilayer.MultiLayerNetwork;
import org.deeplearning4j.nn.transferlearning.FineTuneConfiguration;
import org.deeplearning4j.nn.transferlearning.TransferLearning;
import org.deeplearning4j.nn.weights.WeightInit;
import org.deeplearning4j.util.ModelSerializer;
import org.junit.jupiter.api.Test;
import org.nd4j.linalg.activations.Activation;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.learning.config.Sgd;

/** Copies of networks with this library's layers: files, Java serialization, JSON, YAML, clones, transfer learning. */
class PersistenceTest {

    private static MultiLayerNetwork trained() {
        MultiLayerNetwork network = new MultiLayerNetwork(configuration());
        network.init();
        for (int i = 0; i < 3; i++) {
            network.fit(batch(i, CLASSES, 17, INPUTS));
        }
        return network;
    }

    private static MultiLayerConfiguration configuration() {
        return Networks.mlp(
                Networks.base(),
                new BatchNormalization.Builder().decay(0.8).build(),
                new BatchNormalization.Builder().useLogStd(false).eps(1e-4).build());
    }

    private static ComputationGraph trainedGraph() {
        ComputationGraph graph = new ComputationGraph(
                Networks.graph(new BatchNormalization.Builder().build(), new BatchNormalization.Builder(true).build()));
        graph.init();
        graph.fit(batch(1, CLASSES, 5, 2, 8, 6));
        return graph;
    }

    private static void assertCopy(MultiLayerNetwork copy, MultiLayerNetwork network) {
        assertThat(copy.getLayer(1)).isInstanceOf(BatchNormalizationLayer.class);
        assertThat(copy.getLayerWiseConfigurations()).isEqualTo(network.getLayerWiseConfigurations());
        for (int i = 10; i < 13; i++) {
            INDArray x = batch(i, CLASSES, 17, INPUTS).getFeatures();
            assertThat(copy.output(x)).isEqualTo(network.output(x));
            copy.fit(batch(i, CLASSES, 17, INPUTS));
            network.fit(batch(i, CLASSES, 17, INPUTS));
            assertThat(copy.params()).isEqualTo(network.params());
        }
    }

    @Test
    void modelSerializer() throws IOException {
        MultiLayerNetwork network = trained();
        ByteArrayOutputStream file = new ByteArrayOutputStream();
        ModelSerializer.writeModel(network, file, true);
        assertCopy(
                ModelSerializer.restoreMultiLayerNetwork(new ByteArrayInputStream(file.toByteArray()), true), network);
    }

    @Test
    void modelSerializerOfAGraph() throws IOException {
        ComputationGraph graph = trainedGraph();
        ByteArrayOutputStream file = new ByteArrayOutputStream();
        ModelSerializer.writeModel(graph, file, true);
        ComputationGraph copy =
                ModelSerializer.restoreComputationGraph(new ByteArrayInputStream(file.toByteArray()), true);
        assertThat(copy.getLayer("bn2")).isInstanceOf(BatchNormalizationLayer.class);
        graph.fit(batch(2, CLASSES, 5, 2, 8, 6));
        copy.fit(batch(2, CLASSES, 5, 2, 8, 6));
        assertThat(copy.params()).isEqualTo(graph.params());
    }

    @Test
    void javaSerialization() throws Exception {
        MultiLayerNetwork network = trained();
        // Deeplearning4j restores its list of listeners as null; a clone of what is restored can be trained.
        assertCopy(serialized(network).clone(), network);
        MultiLayerConfiguration configuration = configuration();
        assertThat(serialized(configuration)).isEqualTo(configuration);
        ComputationGraph graph = trainedGraph();
        ComputationGraph copy = serialized(graph);
        assertThat(copy.getLayer("bn")).isInstanceOf(BatchNormalizationLayer.class);
        assertThat(copy.params()).isEqualTo(graph.params());
    }

    @SuppressWarnings({"unchecked", "BanSerializableRead"}) // what was written just before
    private static <T> T serialized(T object) throws IOException, ClassNotFoundException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ObjectOutputStream out = new ObjectOutputStream(bytes)) {
            out.writeObject(object);
        }
        try (ObjectInputStream in = new ObjectInputStream(new ByteArrayInputStream(bytes.toByteArray()))) {
            return (T) in.readObject();
        }
    }

    @Test
    void clones() {
        MultiLayerNetwork network = trained();
        assertCopy(network.clone(), network);
        ComputationGraph graph = trainedGraph();
        ComputationGraph copy = graph.clone();
        assertThat(copy.getLayer("bn")).isInstanceOf(BatchNormalizationLayer.class);
        INDArray x = batch(1, CLASSES, 5, 2, 8, 6).getFeatures();
        assertThat(copy.outputSingle(x)).isEqualTo(graph.outputSingle(x));
    }

    @Test
    void jsonAndYaml() {
        // Deeplearning4j reads from the variables of an initialized network whether there is a variance or its
        // logarithm.
        MultiLayerConfiguration configuration = trained().getLayerWiseConfigurations();
        assertThat(MultiLayerConfiguration.fromJson(configuration.toJson())).isEqualTo(configuration);
        assertThat(MultiLayerConfiguration.fromYaml(configuration.toYaml())).isEqualTo(configuration);
        assertThat(configuration.toJson()).contains("\"org.batchnorm.dl4j.BatchNormalization\"");
        ComputationGraphConfiguration graph = trainedGraph().getConfiguration();
        assertThat(ComputationGraphConfiguration.fromJson(graph.toJson())).isEqualTo(graph);
    }

    @Test
    void transferLearning() {
        MultiLayerNetwork network = trained();
        MultiLayerNetwork transferred = new TransferLearning.Builder(network)
                .fineTuneConfiguration(new FineTuneConfiguration.Builder()
                        .updater(new Sgd(0.1))
                        .build())
                .setFeatureExtractor(2)
                .nOutReplace(3, 11, WeightInit.XAVIER, WeightInit.XAVIER)
                .build();
        MultiLayerNetwork own = Conversion.TO_DL4J.convert(transferred);
        assertThat(transferred.getLayer(4)).isInstanceOf(BatchNormalizationLayer.class);
        assertThat(transferred.getLayer(4).numParams()).isEqualTo(4 * 11);
        INDArray frozen = transferred.getParam("1_mean").dup();
        for (int i = 20; i < 25; i++) {
            transferred.fit(batch(i, CLASSES, 17, INPUTS));
            own.fit(batch(i, CLASSES, 17, INPUTS));
        }
        assertThat(transferred.getParam("1_mean")).isEqualTo(frozen);
        assertThat(transferred.getParam("4_mean").amaxNumber().doubleValue()).isPositive();
        assertThat(difference(transferred.params(), own.params())).isLessThan(1e-6);
    }

    /** The layers before a frozen one learn through it; with Deeplearning4j's own, such a network fails. */
    @Test
    void aFrozenLayerHandsGradientsOn() {
        MultiLayerConfiguration configuration = Networks.mlp(
                Networks.base(),
                new FrozenLayerWithBackprop(new BatchNormalization.Builder().build()),
                new BatchNormalization.Builder().build());
        MultiLayerNetwork network = new MultiLayerNetwork(configuration);
        network.init();
        INDArray statistics = network.getLayer(1).params().dup();
        INDArray weights = network.getParam("0_W").dup();
        double before = network.score(batch(1, CLASSES, 17, INPUTS));
        for (int i = 0; i < 20; i++) {
            network.fit(batch(1, CLASSES, 17, INPUTS));
        }
        assertThat(network.getLayer(1).params()).isEqualTo(statistics);
        assertThat(network.getParam("0_W")).isNotEqualTo(weights);
        assertThat(network.score(batch(1, CLASSES, 17, INPUTS))).isLessThan(before);
    }

    @Test
    void theBuilderSetsAllThatDeeplearning4jsSets() throws IllegalAccessException {
        var own = settings(new org.deeplearning4j.nn.conf.layers.BatchNormalization.Builder());
        var ours = settings(new BatchNormalization.Builder());
        assertThat(ours).isInstanceOf(BatchNormalization.class);
        for (Field field : ConfigurationFields.of(org.deeplearning4j.nn.conf.layers.BatchNormalization.class)) {
            field.setAccessible(true);
            assertThat(field.get(ours)).as("%s", field).isEqualTo(field.get(own));
        }
        assertThat(ours).isNotEqualTo(own);
        assertThat(own).isNotEqualTo(ours);
        assertThat(ours).isEqualTo(settings(new BatchNormalization.Builder())).hasSameHashCodeAs(ours.clone());
    }

    private static org.deeplearning4j.nn.conf.layers.BatchNormalization settings(
            org.deeplearning4j.nn.conf.layers.BatchNormalization.Builder builder) {
        return builder.decay(0.3)
                .eps(1e-2)
                .minibatch(false)
                .gamma(2)
                .beta(3)
                .lockGammaBeta(true)
                .helperAllowFallback(false)
                .useLogStd(false)
                .dataFormat(CNN2DFormat.NHWC)
                .nIn(5)
                .nOut(5)
                .activation(Activation.CUBE)
                .updater(new Sgd(0.25))
                .biasInit(0.5)
                .dropOut(new Dropout(0.75))
                .constrainAllParameters(new MaxNormConstraint(2, 1))
                .name("a name")
                .build();
    }

    @Test
    void theConstructorsOfTheBuilder() {
        assertThat(new BatchNormalization.Builder(0.25, false).build().getDecay())
                .isEqualTo(0.25);
        assertThat(new BatchNormalization.Builder(0.25, false).build().isMinibatch())
                .isFalse();
        assertThat(new BatchNormalization.Builder(2.0, 3.0).build().getGamma()).isEqualTo(2);
        assertThat(new BatchNormalization.Builder(2.0, 3.0, true).build().getBeta())
                .isEqualTo(3);
        assertThat(new BatchNormalization.Builder(2.0, 3.0, true).build().isLockGammaBeta())
                .isTrue();
        assertThat(new BatchNormalization.Builder(true).build().isLockGammaBeta())
                .isTrue();
        assertThat(new BatchNormalization()).isEqualTo(new BatchNormalization.Builder().build());
    }
}

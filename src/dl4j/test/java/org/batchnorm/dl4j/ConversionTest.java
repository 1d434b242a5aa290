package org.batchnorm.dl4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIOException;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.batchnorm.dl4j.Networks.CLASSES;
import static org.batchnorm.dl4j.Networks.INPUTS;
import static org.batchnorm.dl4j.Samples.batch;
import static org.batchnorm.dl4j.Samples.difference;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.deeplearning4j.nn.conf.ComputationGraphConfiguration;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;
import org.deeplearning4j.nn.conf.inputs.InputType;
import org.deeplearning4j.nn.conf.layers.misc.FrozenLayer;
import org.deeplearning4j.nn.graph.ComputationGraph;
import org.deeplearning4j.nn.multilayer.MultiLayerNetwork;
import org.deeplearning4j.util.ModelSerializer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.nd4j.linalg.activations.Activation;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.dataset.api.preprocessor.NormalizerStandardize;

/** Networks and saved models, from Deeplearning4j's layers to this library's and back. */
class ConversionTest {
    private static final double TOLERANCE = 1e-6;

    @TempDir
    private Path folder;

    private static org.deeplearning4j.nn.conf.layers.BatchNormalization.Builder ownSettings() {
        return new org.deeplearning4j.nn.conf.layers.BatchNormalization.Builder()
                .decay(0.8)
                .eps(1e-4);
    }

    private static MultiLayerConfiguration ownMlp() {
        return Networks.mlp(
                Networks.base(),
                ownSettings().build(),
                ownSettings().useLogStd(false).build());
    }

    private static MultiLayerNetwork trainedMlp() {
        MultiLayerNetwork network = new MultiLayerNetwork(ownMlp());
        network.init();
        for (int i = 0; i < 3; i++) {
            network.fit(batch(i, CLASSES, 17, INPUTS));
        }
        return network;
    }

    private static ComputationGraph trainedGraph() {
        ComputationGraph graph = new ComputationGraph(Networks.graph(
                ownSettings().build(), ownSettings().lockGammaBeta(true).build()));
        graph.init();
        for (int i = 0; i < 3; i++) {
            graph.fit(batch(i, CLASSES, 5, 2, 8, 6));
        }
        return graph;
    }

    @Test
    void aConfigurationThereAndBack() {
        MultiLayerConfiguration own = ownMlp();
        MultiLayerConfiguration ours = Conversion.FROM_DL4J.convert(own);
        assertThat(ours.getConf(1).getLayer()).isInstanceOf(BatchNormalization.class);
        assertThat(ours.getConf(4).getLayer()).isInstanceOf(BatchNormalization.class);
        assertThat(((BatchNormalization) ours.getConf(1).getLayer()).getDecay()).isEqualTo(0.8);
        assertThat(((BatchNormalization) ours.getConf(1).getLayer()).isUseLogStd())
                .isTrue();
        assertThat(((BatchNormalization) ours.getConf(4).getLayer()).isUseLogStd())
                .isFalse();
        assertThat(ours).isNotEqualTo(own);
        MultiLayerConfiguration back = Conversion.TO_DL4J.convert(ours);
        assertThat(back).isEqualTo(own);
        assertThat(back.toJson()).isEqualTo(own.toJson());
        assertThat(own).as("untouched").isEqualTo(ownMlp());
    }

    @Test
    void aGraphsConfigurationThereAndBack() {
        ComputationGraphConfiguration own =
                Networks.graph(ownSettings().build(), ownSettings().build());
        ComputationGraphConfiguration ours = Conversion.FROM_DL4J.convert(own);
        assertThat(ours.toJson()).contains(BatchNormalization.class.getName());
        assertThat(ours.toJson()).doesNotContain(org.deeplearning4j.nn.conf.layers.BatchNormalization.class.getName());
        assertThat(Conversion.TO_DL4J.convert(ours).toJson()).isEqualTo(own.toJson());
    }

    @Test
    void conversionOfTheConvertedChangesNothing() {
        MultiLayerConfiguration ours = Conversion.FROM_DL4J.convert(ownMlp());
        assertThat(Conversion.FROM_DL4J.convert(ours)).isEqualTo(ours);
    }

    @Test
    void layersWithinLayersAreFound() {
        MultiLayerConfiguration own = Networks.base()
                .list()
                .layer(Networks.dense(8, Activation.TANH))
                .layer(new FrozenLayer(ownSettings().build()))
                .layer(Networks.output())
                .setInputType(InputType.feedForward(INPUTS))
                .build();
        MultiLayerNetwork ours = new MultiLayerNetwork(Conversion.FROM_DL4J.convert(own));
        ours.init();
        assertThat(((FrozenLayer) ours.getLayerWiseConfigurations().getConf(1).getLayer()).getLayer())
                .isInstanceOf(BatchNormalization.class);
        ours.fit(batch(1, CLASSES, 17, INPUTS));
    }

    @Test
    void aTrainedNetworkGoesOnAsItWas() {
        MultiLayerNetwork own = trainedMlp();
        MultiLayerNetwork ours = Conversion.FROM_DL4J.convert(own);
        assertThat(ours.getLayer(1)).isInstanceOf(BatchNormalizationLayer.class);
        assertThat(ours.getIterationCount()).isEqualTo(own.getIterationCount());
        assertGoesOn(ours, own);
        MultiLayerNetwork back = Conversion.TO_DL4J.convert(ours);
        assertThat(back.getLayer(1)).isNotInstanceOf(BatchNormalizationLayer.class);
        assertGoesOn(back, ours);
    }

    @Test
    void aTrainedGraphGoesOnAsItWas() {
        ComputationGraph own = trainedGraph();
        ComputationGraph ours = Conversion.FROM_DL4J.convert(own);
        assertThat(ours.getLayer("bn")).isInstanceOf(BatchNormalizationLayer.class);
        assertThat(ours.getConfiguration().getIterationCount()).isEqualTo(3);
        assertGoesOn(ours, own);
        ComputationGraph back = Conversion.TO_DL4J.convert(ours);
        assertThat(back.getLayer("bn")).isNotInstanceOf(BatchNormalizationLayer.class);
        assertGoesOn(back, ours);
    }

    @Test
    void aNetworkThatIsNotInitializedIsRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Conversion.FROM_DL4J.convert(new MultiLayerNetwork(ownMlp())))
                .withMessageContaining("network")
                .withMessageContaining("init()");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Conversion.FROM_DL4J.convert(new ComputationGraph(
                        Networks.graph(ownSettings().build(), ownSettings().build()))))
                .withMessageContaining("network")
                .withMessageContaining("init()");
    }

    @Test
    void aSavedModelThereAndBack() throws IOException {
        MultiLayerNetwork own = trainedMlp();
        NormalizerStandardize normalizer = new NormalizerStandardize();
        normalizer.fit(batch(1, CLASSES, 17, INPUTS));
        Path saved = folder.resolve("own.zip");
        ModelSerializer.writeModel(own, saved.toFile(), true);
        ModelSerializer.addNormalizerToModel(saved.toFile(), normalizer);
        ModelSerializer.addObjectToFile(saved.toFile(), "note", "a note");

        Path converted = folder.resolve("ours.zip");
        Conversion.FROM_DL4J.convert(saved, converted);
        MultiLayerNetwork ours = ModelSerializer.restoreMultiLayerNetwork(converted.toFile(), true);
        assertThat(ours.getLayer(4)).isInstanceOf(BatchNormalizationLayer.class);
        assertThat((Object) ModelSerializer.restoreNormalizerFromFile(converted.toFile()))
                .isEqualTo(normalizer);
        assertThat((String) ModelSerializer.getObjectFromFile(converted.toFile(), "note"))
                .isEqualTo("a note");
        assertGoesOn(ours, own);

        ModelSerializer.writeModel(ours, converted.toFile(), true);
        Path link = Files.createSymbolicLink(folder.resolve("link"), converted.getFileName());
        Conversion.TO_DL4J.convert(converted, link);
        assertThat(link).isSymbolicLink();
        MultiLayerNetwork back = ModelSerializer.restoreMultiLayerNetwork(converted.toFile(), true);
        assertThat(back.getLayer(4)).isNotInstanceOf(BatchNormalizationLayer.class);
        assertGoesOn(back, ours);
        assertThat(folder.toFile().list()).containsExactlyInAnyOrder("own.zip", "ours.zip", "link");
    }

    @Test
    void aSavedGraph() throws IOException {
        ComputationGraph own = trainedGraph();
        Path saved = folder.resolve("own.zip");
        ModelSerializer.writeModel(own, saved.toFile(), true);
        Path converted = folder.resolve("ours.zip");
        Conversion.FROM_DL4J.convert(saved, converted);
        ComputationGraph ours = ModelSerializer.restoreComputationGraph(converted.toFile(), true);
        assertThat(ours.getLayer("bn2")).isInstanceOf(BatchNormalizationLayer.class);
        assertGoesOn(ours, own);
    }

    @Test
    void whatIsNoSavedModelIsRefusedAndNothingIsWritten() throws IOException {
        Path text = Files.writeString(folder.resolve("text"), "no zip");
        Path archive = folder.resolve("archive.zip");
        try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(archive))) {
            zip.putNextEntry(new ZipEntry("something"));
        }
        Path target = folder.resolve("target.zip");
        assertThatIOException()
                .isThrownBy(() -> Conversion.FROM_DL4J.convert(text, target))
                .withMessageContaining("text is no zip file");
        assertThatIOException()
                .isThrownBy(() -> Conversion.FROM_DL4J.convert(archive, target))
                .withMessageContaining("archive.zip has no configuration.json");
        assertThatIOException()
                .isThrownBy(() -> Conversion.FROM_DL4J.convert(folder.resolve("none.zip"), target))
                .isInstanceOf(NoSuchFileException.class);
        assertThat(folder.toFile().list()).containsExactlyInAnyOrder("text", "archive.zip");
    }

    /** Same parameters and updater state: the next fits are the same, too. */
    private static void assertGoesOn(MultiLayerNetwork converted, MultiLayerNetwork original) {
        assertThat(difference(converted.params(), original.params())).isZero();
        for (int i = 10; i < 13; i++) {
            converted.fit(batch(i, CLASSES, 17, INPUTS));
            original.fit(batch(i, CLASSES, 17, INPUTS));
        }
        assertThat(difference(converted.params(), original.params())).isLessThan(TOLERANCE);
        INDArray x = batch(20, CLASSES, 9, INPUTS).getFeatures();
        assertThat(difference(converted.output(x), original.output(x))).isLessThan(TOLERANCE);
        original.setParams(converted.params().dup());
        original.getUpdater()
                .setStateViewArray(
                        original, converted.getUpdater().getStateViewArray().dup(), false);
    }

    private static void assertGoesOn(ComputationGraph converted, ComputationGraph original) {
        assertThat(difference(converted.params(), original.params())).isZero();
        for (int i = 10; i < 13; i++) {
            converted.fit(batch(i, CLASSES, 5, 2, 8, 6));
            original.fit(batch(i, CLASSES, 5, 2, 8, 6));
        }
        assertThat(difference(converted.params(), original.params())).isLessThan(TOLERANCE);
        original.setParams(converted.params().dup());
        original.getUpdater()
                .setStateViewArray(converted.getUpdater().getStateViewArray().dup());
    }
}

package org.batchnorm.dl4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.batchnorm.dl4j.Networks.CLASSES;
import static org.batchnorm.dl4j.Networks.INPUTS;
import static org.batchnorm.dl4j.Samples.batch;
import static org.batchnorm.dl4j.Samples.difference;

import java.util.List;
import java.util.function.IntFunction;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.deeplearning4j.nn.api.Model;
import org.deeplearning4j.nn.conf.CNN2DFormat;
import org.deeplearning4j.nn.conf.ComputationGraphConfiguration;
import org.deeplearning4j.nn.conf.GradientNormalization;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;
import org.deeplearning4j.nn.conf.WorkspaceMode;
import org.deeplearning4j.nn.graph.ComputationGraph;
import org.deeplearning4j.nn.multilayer.MultiLayerNetwork;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.dataset.DataSet;
import org.nd4j.linalg.dataset.api.iterator.TestDataSetIterator;
import org.nd4j.linalg.factory.Nd4j;
import org.nd4j.linalg.learning.config.Adam;
import org.nd4j.linalg.learning.config.Sgd;

/** Networks with this library's layers and with Deeplearning4j's own, trained side by side. */
class TrainingTest {
    /** Of the largest parameter, or of 1 where all are less. */
    private static final double TOLERANCE = 1e-6;

    /**
     * Outputs sum the rounding errors of many parameters. In 24 runs of each graph here Deeplearning4j's own came up to
     * 3.0e-6 away from those of its network of doubles, ours 4.7e-6; on average ours were as near or nearer.
     */
    private static final double OUTPUT_TOLERANCE = 1e-5;

    private static final int FITS = 5;

    /** Both builders, with the same settings; what is built differs in the class alone. */
    interface Settings {
        org.deeplearning4j.nn.conf.layers.BatchNormalization.Builder on(
                org.deeplearning4j.nn.conf.layers.BatchNormalization.Builder builder);
    }

    private static final List<Settings> SETTINGS = List.of(
            builder -> builder,
            builder -> builder.useLogStd(false),
            builder -> builder.decay(0.7).eps(1e-3).gamma(1.5).beta(-0.25),
            builder -> builder.lockGammaBeta(true),
            builder -> builder.lockGammaBeta(true).gamma(1.5).beta(-0.25),
            builder -> builder.lockGammaBeta(true).gamma(1.5),
            builder -> builder.lockGammaBeta(true).beta(-0.25).useLogStd(false));

    private static org.deeplearning4j.nn.conf.layers.BatchNormalization own(int settings) {
        return SETTINGS.get(settings)
                .on(new org.deeplearning4j.nn.conf.layers.BatchNormalization.Builder())
                .build();
    }

    private static org.deeplearning4j.nn.conf.layers.BatchNormalization ours(int settings) {
        return SETTINGS.get(settings).on(new BatchNormalization.Builder()).build();
    }

    static Stream<Arguments> allSettings() {
        return Stream.iterate(0, i -> i < SETTINGS.size(), i -> i + 1).map(Arguments::of);
    }

    @ParameterizedTest
    @MethodSource("allSettings")
    void anMlpLearnsTheSame(int settings) {
        assertSame(
                Networks.mlp(Networks.base(), own(settings), own(settings)),
                Networks.mlp(Networks.base(), ours(settings), ours(settings)),
                i -> batch(i, CLASSES, 17, INPUTS));
    }

    @ParameterizedTest
    @MethodSource("allSettings")
    void aCnnLearnsTheSame(int settings) {
        assertSame(
                Networks.cnn(CNN2DFormat.NCHW, own(settings), own(settings)),
                Networks.cnn(CNN2DFormat.NCHW, ours(settings), ours(settings)),
                i -> batch(i, CLASSES, 5, 2, 8, 6));
    }

    @ParameterizedTest
    @MethodSource("allSettings")
    void aGraphLearnsTheSame(int settings) {
        ComputationGraph own = initialized(Networks.graph(own(settings), own(settings)));
        ComputationGraph ours = initialized(Networks.graph(ours(settings), ours(settings)));
        assertThat(ours.getLayer("bn")).isInstanceOf(BatchNormalizationLayer.class);
        ours.setParams(own.params().dup());
        for (int i = 0; i < FITS; i++) {
            DataSet data = batch(i, CLASSES, 5, 2, 8, 6);
            own.fit(data);
            ours.fit(data);
        }
        assertSameParameters(ours, own);
        INDArray x = batch(99, CLASSES, 3, 2, 8, 6).getFeatures();
        assertThat(difference(ours.outputSingle(x), own.outputSingle(x))).isLessThan(OUTPUT_TOLERANCE);
    }

    @Test
    void aCnnOfChannelsLastLearnsTheSame() {
        assertSame(
                Networks.cnn(CNN2DFormat.NHWC, own(0), own(1)),
                Networks.cnn(CNN2DFormat.NHWC, ours(0), ours(1)),
                i -> batch(i, CLASSES, 5, 8, 6, 2));
    }

    /** Deeplearning4j's own cannot: its backward of a locked layer looks for the features of NHWC at a wrong place. */
    @Test
    void aLockedCnnOfChannelsLastLearnsWhatThatOfChannelsFirstDoes() {
        MultiLayerNetwork first = initialized(Networks.cnn(CNN2DFormat.NCHW, own(4), own(4)));
        MultiLayerNetwork last = initialized(Networks.cnn(CNN2DFormat.NHWC, ours(4), ours(4)));
        // The output layer's weights are of another order of the features: compare what does not depend on it.
        assertThat(last.getLayer(1)).isInstanceOf(BatchNormalizationLayer.class);
        INDArray x = batch(3, CLASSES, 5, 2, 8, 6).getFeatures();
        first.getLayer(0).setParams(last.getLayer(0).params().dup());
        INDArray expected = first.feedForwardToLayer(2, x, true).get(2);
        INDArray actual =
                last.feedForwardToLayer(2, x.permute(0, 2, 3, 1), true).get(2);
        assertThat(difference(actual.permute(0, 3, 1, 2), expected)).isLessThan(TOLERANCE);
        last.fit(batch(3, CLASSES, 5, 8, 6, 2));
        assertThat(last.params().sumNumber().doubleValue()).isFinite();
    }

    @Test
    void otherUpdatersAndClippedGradientsLearnTheSame() {
        assertSame(
                Networks.mlp(Networks.base(new Sgd(0.1)).l2(1e-3), own(0), own(1)),
                Networks.mlp(Networks.base(new Sgd(0.1)).l2(1e-3), ours(0), ours(1)),
                i -> batch(i, CLASSES, 17, INPUTS));
        assertSame(
                Networks.mlp(Networks.base(new Adam(1e-3)), own(0), own(1)),
                Networks.mlp(Networks.base(new Adam(1e-3)), ours(0), ours(1)),
                i -> batch(i, CLASSES, 17, INPUTS));
        for (GradientNormalization normalization : GradientNormalization.values()) {
            assertSame(
                    Networks.mlp(Networks.base().gradientNormalization(normalization), own(0), own(1)),
                    Networks.mlp(Networks.base().gradientNormalization(normalization), ours(0), ours(1)),
                    i -> batch(i, CLASSES, 17, INPUTS));
        }
    }

    @ParameterizedTest
    @EnumSource(WorkspaceMode.class)
    @SuppressWarnings("deprecation") // SEPARATE and SINGLE, which old models have
    void withAndWithoutWorkspaces(WorkspaceMode mode) {
        assertSame(
                Networks.mlp(Networks.base().trainingWorkspaceMode(mode).inferenceWorkspaceMode(mode), own(0), own(1)),
                Networks.mlp(
                        Networks.base().trainingWorkspaceMode(mode).inferenceWorkspaceMode(mode), ours(0), ours(1)),
                i -> batch(i, CLASSES, 17, INPUTS));
    }

    /** Masks are no matter of batch normalization's statistics, there and here. */
    @Test
    void masksAreTreatedTheSame() {
        Supplier<INDArray> mask = () -> {
            INDArray ones = Nd4j.ones(DataType.FLOAT, 17, 1);
            ones.putScalar(3, 0, 0);
            ones.putScalar(11, 0, 0);
            return ones;
        };
        assertSame(
                Networks.mlp(Networks.base(), own(0), own(1)), Networks.mlp(Networks.base(), ours(0), ours(1)), i -> {
                    DataSet data = batch(i, CLASSES, 17, INPUTS);
                    data.setFeaturesMaskArray(mask.get());
                    data.setLabelsMaskArray(mask.get());
                    return data;
                });
    }

    @Test
    void otherTypesAreDeeplearning4jsOwn() {
        for (DataType type : List.of(DataType.DOUBLE, DataType.FLOAT16)) {
            MultiLayerNetwork own = initialized(Networks.mlp(Networks.base().dataType(type), own(0), own(1)));
            MultiLayerNetwork ours = initialized(Networks.mlp(Networks.base().dataType(type), ours(0), ours(1)));
            ours.setParams(own.params().dup());
            for (int i = 0; i < FITS; i++) {
                own.fit(batch(i, CLASSES, 17, INPUTS));
                ours.fit(batch(i, CLASSES, 17, INPUTS));
            }
            assertThat(difference(ours.params(), own.params())).as("%s", type).isZero();
        }
    }

    @Test
    void evaluationAndTrainingModeAreTheSame() {
        MultiLayerNetwork own = initialized(Networks.mlp(Networks.base(), own(0), own(1)));
        MultiLayerNetwork ours = initialized(Networks.mlp(Networks.base(), ours(0), ours(1)));
        ours.setParams(own.params().dup());
        for (int i = 0; i < FITS; i++) {
            own.fit(batch(i, CLASSES, 17, INPUTS));
            ours.fit(batch(i, CLASSES, 17, INPUTS));
        }
        DataSet data = batch(99, CLASSES, 40, INPUTS);
        INDArray x = data.getFeatures();
        INDArray training = own.output(x, true);
        INDArray test = own.output(x, false);
        assertThat(difference(training, test)).isGreaterThan(1e-3);
        assertThat(difference(ours.output(x, true), training)).isLessThan(OUTPUT_TOLERANCE);
        assertThat(difference(ours.output(x, false), test)).isLessThan(OUTPUT_TOLERANCE);
        assertThat(difference(ours.output(x), test)).isLessThan(OUTPUT_TOLERANCE);
        assertThat(ours.score(data)).isCloseTo(own.score(data), within(TOLERANCE));
        var iterator = new TestDataSetIterator(data);
        assertThat(ours.evaluate(iterator).accuracy())
                .isEqualTo(own.evaluate(iterator).accuracy());
    }

    /** Trains both and compares parameters, running statistics among them, and outputs. */
    private static void assertSame(
            MultiLayerConfiguration ownConfiguration,
            MultiLayerConfiguration ourConfiguration,
            IntFunction<DataSet> data) {
        MultiLayerNetwork own = initialized(ownConfiguration);
        MultiLayerNetwork ours = initialized(ourConfiguration);
        assertThat(ours.getLayer(1)).isInstanceOf(BatchNormalizationLayer.class);
        assertThat(own.getLayer(1)).isNotInstanceOf(BatchNormalizationLayer.class);
        assertThat(difference(ours.params(), own.params())).isZero();
        for (int i = 0; i < FITS; i++) {
            own.fit(data.apply(i));
            ours.fit(data.apply(i));
        }
        assertSameParameters(ours, own);
        INDArray x = data.apply(FITS).getFeatures();
        assertThat(difference(ours.output(x), own.output(x))).isLessThan(OUTPUT_TOLERANCE);
    }

    private static void assertSameParameters(Model ours, Model own) {
        double scale = Math.max(1, own.params().amaxNumber().doubleValue());
        assertThat(difference(ours.params(), own.params())).isLessThan(TOLERANCE * scale);
    }

    private static MultiLayerNetwork initialized(MultiLayerConfiguration configuration) {
        MultiLayerNetwork network = new MultiLayerNetwork(configuration);
        network.init();
        return network;
    }

    private static ComputationGraph initialized(ComputationGraphConfiguration configuration) {
        ComputationGraph graph = new ComputationGraph(configuration);
        graph.init();
        return graph;
    }
}

package org.batchnorm.dl4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.batchnorm.dl4j.Samples.difference;
import static org.batchnorm.dl4j.Samples.normal;

import org.deeplearning4j.nn.api.Layer;
import org.deeplearning4j.nn.conf.NeuralNetConfiguration;
import org.deeplearning4j.nn.gradient.Gradient;
import org.deeplearning4j.nn.workspace.LayerWorkspaceMgr;
import org.nd4j.common.primitives.Pair;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;

/** Deeplearning4j's layer and this library's, of one configuration and with the same parameters. */
final class LayerPair {
    private static final LayerWorkspaceMgr NO_WORKSPACES = LayerWorkspaceMgr.noWorkspacesImmutable();

    final Layer own;
    final Layer ours;

    LayerPair(org.deeplearning4j.nn.conf.layers.BatchNormalization.Builder settings, int features, DataType type) {
        var ourConfiguration = settings.nOut(features).nIn(features).build();
        var ownConfiguration = new org.deeplearning4j.nn.conf.layers.BatchNormalization();
        ConfigurationFields.copy(ourConfiguration, ownConfiguration);
        own = layer(ownConfiguration, type);
        ours = layer(ourConfiguration, type);
        assertThat(ours).isInstanceOf(BatchNormalizationLayer.class);
        assertThat(own).isNotInstanceOf(BatchNormalizationLayer.class);
    }

    LayerPair(org.deeplearning4j.nn.conf.layers.BatchNormalization.Builder settings, int features) {
        this(settings, features, DataType.FLOAT);
    }

    private static Layer layer(org.deeplearning4j.nn.conf.layers.BatchNormalization configuration, DataType type) {
        NeuralNetConfiguration conf = new NeuralNetConfiguration();
        conf.setLayer(configuration);
        long parameters = configuration.initializer().numParams(conf);
        // The running statistics are those of no input here.
        INDArray view = normal(5, 1, parameters).castTo(type);
        Layer layer = configuration.instantiate(conf, null, 0, view, false, type);
        layer.setBackpropGradientsViewArray(Nd4j.create(type, 1, parameters));
        layer.paramTable().computeIfPresent("log10stdev", (name, values) -> values.muli(0.2));
        layer.paramTable()
                .computeIfPresent("var", (name, values) -> values.muli(values).addi(0.5));
        return layer;
    }

    static INDArray forward(Layer layer, INDArray x, boolean training) {
        return layer.activate(x, training, NO_WORKSPACES);
    }

    static Pair<Gradient, INDArray> backward(Layer layer, INDArray dy) {
        return layer.backpropGradient(dy, NO_WORKSPACES);
    }

    /**
     * Forward and backward of both, compared; Deeplearning4j's gets copies in C order.
     *
     * @return y and dx of this library's
     */
    Pair<INDArray, INDArray> assertSame(INDArray x, INDArray dy, double tolerance) {
        INDArray xBefore = x.dup('c');
        INDArray dyBefore = dy.dup('c');
        for (boolean training : new boolean[] {false, true}) {
            INDArray expected = forward(own, x.dup('c'), training);
            INDArray actual = forward(ours, x, training);
            assertThat(difference(actual, expected))
                    .as("y, training %s", training)
                    .isLessThan(tolerance);
        }
        INDArray y = forward(ours, x, true);
        INDArray expected = backward(own, dy.dup('c')).getSecond();
        Pair<Gradient, INDArray> actual = backward(ours, dy);
        assertThat(difference(actual.getSecond(), expected)).as("dx").isLessThan(tolerance);
        assertThat(difference(ours.getGradientsViewArray(), own.getGradientsViewArray()))
                .as("gradients")
                .isLessThan(tolerance * Math.sqrt(x.length() / (double) ours.numParams()) * 4);
        assertThat(actual.getFirst().gradientForVariable().keySet())
                .containsAll(ours.paramTable().keySet());
        assertThat(x.dup('c')).isEqualTo(xBefore);
        assertThat(dy.dup('c')).isEqualTo(dyBefore);
        return new Pair<>(y, actual.getSecond());
    }
}

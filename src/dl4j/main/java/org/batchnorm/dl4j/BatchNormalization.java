package org.batchnorm.dl4j;

import java.util.Collection;
import org.batchnorm.BatchNormFunction;
import org.deeplearning4j.nn.api.Layer;
import org.deeplearning4j.nn.conf.NeuralNetConfiguration;
import org.deeplearning4j.nn.conf.layers.LayerValidation;
import org.deeplearning4j.optimize.api.TrainingListener;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;

/**
 * The configuration of a batch normalization layer for {@code MultiLayerNetwork} and {@code ComputationGraph}. It takes
 * the place of {@link org.deeplearning4j.nn.conf.layers.BatchNormalization}: the builder, the parameters ({@code gamma,
 * beta, mean}, {@code log10stdev} or {@code var}), the updaters and the files are Deeplearning4j's, and the results are
 * the same but for rounding. Only the computation is this library's.
 *
 * <pre>{@code
 * new NeuralNetConfiguration.Builder().list()
 *         .layer(new DenseLayer.Builder().nOut(256).build())
 *         .layer(new BatchNormalization.Builder().decay(0.9).build())   // org.batchnorm.dl4j's
 * }</pre>
 *
 * <p>Statistics are in Deeplearning4j's convention: {@code running = decay · running + (1 − decay) · batch} with the
 * <em>biased</em> variance, which differs from PyTorch's and so from {@link org.batchnorm.BatchNorm}'s. Masks do not
 * matter to the statistics, as they do not in Deeplearning4j.
 *
 * <p>The library computes networks of type FLOAT on the CPU, with arrays of shape (N, C), (N, C, H, W) or (N, H, W, C)
 * in any dense memory order, views included, without copies; what has gaps is copied first. All else is left to
 * Deeplearning4j's own implementation, from which this one inherits: other types and devices, other ranks (which that
 * one refuses), an eps that is not positive, one value per feature in training, and locked layers of which only one of
 * gamma and beta differs from its default (that one's forward then ignores both).
 *
 * <p>Two things work that fail in Deeplearning4j 1.0.0-M2.1: a frozen layer that hands gradients on
 * ({@code FrozenLayerWithBackprop}), where the input's gradient is {@code dy · gamma / sqrt(var + eps)}, and locked
 * layers of channels-last images.
 *
 * <p>{@link Conversion} converts networks and saved models. The number of threads and the backend are those of
 * {@link BatchNormFunction}, by the system properties {@code org.batchnorm.threads} and {@code org.batchnorm.backend}.
 */
public class BatchNormalization extends org.deeplearning4j.nn.conf.layers.BatchNormalization {
    private static final long serialVersionUID = 1L;

    /** A configuration with all defaults, as deserializers need it. */
    public BatchNormalization() {}

    /**
     * A copy of Deeplearning4j's configuration of a layer.
     *
     * @param own what to copy; nothing is shared with it that Deeplearning4j's own {@code clone()} does not share
     */
    public static BatchNormalization of(org.deeplearning4j.nn.conf.layers.BatchNormalization own) {
        BatchNormalization copy = new BatchNormalization();
        ConfigurationFields.copy(own.clone(), copy);
        return copy;
    }

    @Override
    public Layer instantiate(
            NeuralNetConfiguration conf,
            Collection<TrainingListener> trainingListeners,
            int layerIndex,
            INDArray layerParamsView,
            boolean initializeParams,
            DataType networkDataType) {
        LayerValidation.assertNOutSet("BatchNormalization", getLayerName(), layerIndex, getNOut());
        BatchNormalizationLayer layer = new BatchNormalizationLayer(conf, networkDataType);
        layer.setListeners(trainingListeners);
        layer.setIndex(layerIndex);
        layer.setParamsViewArray(layerParamsView);
        layer.setParamTable(initializer().init(conf, layerParamsView, initializeParams));
        layer.setConf(conf);
        return layer;
    }

    @Override
    public BatchNormalization clone() {
        return (BatchNormalization) super.clone();
    }

    /** Deeplearning4j's configuration of the same values is another one, as it makes another layer. */
    @Override
    public boolean equals(@Nullable Object other) {
        return other instanceof BatchNormalization && super.equals(other);
    }

    @Override
    protected boolean canEqual(@Nullable Object other) {
        return other instanceof BatchNormalization;
    }

    @Override
    public int hashCode() {
        return super.hashCode();
    }

    /**
     * Deeplearning4j's builder, whose {@link #build()} gives this library's layer. Its setters are declared to return
     * Deeplearning4j's builder and are this one all the same.
     */
    @SuppressWarnings("unchecked") // Deeplearning4j declares build() generic and its builders override it with one type
    public static class Builder extends org.deeplearning4j.nn.conf.layers.BatchNormalization.Builder {

        /** All defaults: decay 0.9, eps 1e-5, gamma and beta learned from 1 and 0, log10 of the standard deviation. */
        public Builder() {}

        /**
         * With a decay of the running statistics.
         *
         * @param decay the weight of the old statistics, 0 to 1
         * @param isMinibatch kept, as in Deeplearning4j, and without an effect, as there
         */
        public Builder(double decay, boolean isMinibatch) {
            super(decay, isMinibatch);
        }

        /** With first values of gamma and beta. */
        public Builder(double gamma, double beta) {
            super(gamma, beta);
        }

        /** With values of gamma and beta, which stay as they are if {@code lockGammaBeta}. */
        public Builder(double gamma, double beta, boolean lockGammaBeta) {
            super(gamma, beta, lockGammaBeta);
        }

        /** With gamma and beta that stay 1 and 0 if {@code lockGammaBeta}. */
        public Builder(boolean lockGammaBeta) {
            super(lockGammaBeta);
        }

        @Override
        public BatchNormalization build() {
            return of(super.build());
        }
    }
}

package org.batchnorm.dl4j;

import org.deeplearning4j.nn.conf.CNN2DFormat;
import org.deeplearning4j.nn.conf.ComputationGraphConfiguration;
import org.deeplearning4j.nn.conf.ConvolutionMode;
import org.deeplearning4j.nn.conf.MultiLayerConfiguration;
import org.deeplearning4j.nn.conf.NeuralNetConfiguration;
import org.deeplearning4j.nn.conf.graph.ElementWiseVertex;
import org.deeplearning4j.nn.conf.inputs.InputType;
import org.deeplearning4j.nn.conf.layers.ActivationLayer;
import org.deeplearning4j.nn.conf.layers.ConvolutionLayer;
import org.deeplearning4j.nn.conf.layers.DenseLayer;
import org.deeplearning4j.nn.conf.layers.GlobalPoolingLayer;
import org.deeplearning4j.nn.conf.layers.Layer;
import org.deeplearning4j.nn.conf.layers.OutputLayer;
import org.deeplearning4j.nn.conf.layers.SubsamplingLayer;
import org.nd4j.linalg.activations.Activation;
import org.nd4j.linalg.learning.config.IUpdater;
import org.nd4j.linalg.learning.config.Nesterovs;
import org.nd4j.linalg.lossfunctions.LossFunctions.LossFunction;

/**
 * The networks of the tests; each takes its batch normalization layers. What comes right before one has no bias: its
 * exact gradient would be zero, and updaters such as Adam make of the rounding errors what they like.
 */
final class Networks {
    static final int CLASSES = 4;
    static final int INPUTS = 12;

    private Networks() {}

    static NeuralNetConfiguration.Builder base(IUpdater updater) {
        return new NeuralNetConfiguration.Builder().seed(7).updater(updater);
    }

    static NeuralNetConfiguration.Builder base() {
        return base(new Nesterovs(0.05, 0.9));
    }

    static MultiLayerConfiguration mlp(NeuralNetConfiguration.Builder base, Layer first, Layer second) {
        return base.list()
                .layer(dense(20, Activation.IDENTITY))
                .layer(first)
                .layer(relu())
                .layer(dense(16, Activation.TANH))
                .layer(second)
                .layer(output())
                .setInputType(InputType.feedForward(INPUTS))
                .build();
    }

    /** Images of 2 channels, 8 by 6. */
    static MultiLayerConfiguration cnn(CNN2DFormat format, Layer first, Layer second) {
        return base().list()
                .layer(convolution(6, format))
                .layer(first)
                .layer(relu())
                .layer(new SubsamplingLayer.Builder(SubsamplingLayer.PoolingType.MAX)
                        .kernelSize(2, 2)
                        .stride(2, 2)
                        .dataFormat(format)
                        .build())
                .layer(convolution(5, format))
                .layer(second)
                .layer(output())
                .setInputType(InputType.convolutional(8, 6, 2, format))
                .build();
    }

    /** A residual block. */
    static ComputationGraphConfiguration graph(Layer first, Layer second) {
        return base().graphBuilder()
                .addInputs("in")
                .addLayer("conv", convolution(6, CNN2DFormat.NCHW), "in")
                .addLayer("bn", first, "conv")
                .addLayer("relu", relu(), "bn")
                .addLayer("conv2", convolution(6, CNN2DFormat.NCHW), "relu")
                .addLayer("bn2", second, "conv2")
                .addVertex("sum", new ElementWiseVertex(ElementWiseVertex.Op.Add), "bn2", "relu")
                .addLayer("pool", new GlobalPoolingLayer.Builder().build(), "sum")
                .addLayer("out", output(), "pool")
                .setOutputs("out")
                .setInputTypes(InputType.convolutional(8, 6, 2, CNN2DFormat.NCHW))
                .build();
    }

    static DenseLayer dense(int units, Activation activation) {
        return new DenseLayer.Builder()
                .nOut(units)
                .activation(activation)
                .hasBias(activation != Activation.IDENTITY)
                .build();
    }

    static ActivationLayer relu() {
        return new ActivationLayer.Builder().activation(Activation.RELU).build();
    }

    static OutputLayer output() {
        return new OutputLayer.Builder(LossFunction.MCXENT)
                .nOut(CLASSES)
                .activation(Activation.SOFTMAX)
                .build();
    }

    private static ConvolutionLayer convolution(int channels, CNN2DFormat format) {
        return new ConvolutionLayer.Builder(3, 3)
                .nOut(channels)
                .convolutionMode(ConvolutionMode.Same)
                .dataFormat(format)
                .activation(Activation.IDENTITY)
                .hasBias(false)
                .build();
    }
}

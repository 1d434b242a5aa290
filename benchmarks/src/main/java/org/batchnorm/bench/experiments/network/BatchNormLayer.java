package org.batchnorm.bench.experiments.network;

import java.util.List;
import org.batchnorm.BatchNorm;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.Activations;
import org.jspecify.annotations.Nullable;

/** The library's {@link BatchNorm} as a layer of these networks. */
public final class BatchNormLayer implements Layer {
    private final BatchNorm batchNorm;
    private final Activations activations;

    /** Takes over the layer, which is closed with this one. */
    public BatchNormLayer(BatchNorm batchNorm) {
        this(batchNorm, Activations.NONE);
    }

    /**
     * Takes over the layer, which is closed with this one.
     *
     * @param activations the network's that it was built with, before or after it, so that the network has no other
     *     ones there
     */
    public BatchNormLayer(BatchNorm batchNorm, Activations activations) {
        this.batchNorm = batchNorm;
        this.activations = activations;
    }

    /** Those of the network that it does, too. */
    public Activations activations() {
        return activations;
    }

    /** The library's layer. */
    public BatchNorm batchNorm() {
        return batchNorm;
    }

    /** The configuration of the library's layer. */
    public BatchNormConfig config() {
        return batchNorm.config();
    }

    @Override
    public int inputs() {
        return batchNorm.config().features();
    }

    @Override
    public int outputs() {
        return inputs();
    }

    @Override
    public void forward(int n, float[] x, float[] y, boolean training) {
        if (training) {
            batchNorm.train();
        } else {
            batchNorm.eval();
        }
        batchNorm.forward(x, y, BatchShape.of(n, inputs()));
    }

    @Override
    public void backward(int n, float[] x, float[] y, float[] dy, float @Nullable [] dx) {
        batchNorm.backward(x, dy, dx == null ? new float[dy.length] : dx, BatchShape.of(n, inputs()));
    }

    @Override
    public List<Parameter> parameters() {
        if (!config().affine()) {
            return List.of();
        }
        return List.of(
                new Parameter("weight", batchNorm.weight(), batchNorm.weightGradient()),
                new Parameter("bias", batchNorm.bias(), batchNorm.biasGradient()));
    }

    /** The name of the backend that does the work. */
    public String backendName() {
        return batchNorm.backendName();
    }

    @Override
    public void close() {
        batchNorm.close();
    }
}

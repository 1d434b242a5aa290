package org.batchnorm.bench.experiments.network;

import java.util.List;
import org.batchnorm.BatchNorm;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.data.BatchShape;
import org.jspecify.annotations.Nullable;

/** The library's {@link BatchNorm} as a layer of these networks, with a stopwatch on it. */
public final class BatchNormLayer implements Layer {
    private final BatchNorm batchNorm;
    private long nanos;

    /** Takes over the layer, which is closed with this one. */
    public BatchNormLayer(BatchNorm batchNorm) {
        this.batchNorm = batchNorm;
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
        long start = System.nanoTime();
        if (training) {
            batchNorm.train();
        } else {
            batchNorm.eval();
        }
        batchNorm.forward(x, y, BatchShape.of(n, inputs()));
        nanos += System.nanoTime() - start;
    }

    @Override
    public void backward(int n, float[] x, float[] y, float[] dy, float @Nullable [] dx) {
        long start = System.nanoTime();
        batchNorm.backward(x, dy, dx == null ? new float[dy.length] : dx, BatchShape.of(n, inputs()));
        nanos += System.nanoTime() - start;
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

    /** The nanoseconds spent in the library so far, forward and backward. */
    public long nanos() {
        return nanos;
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

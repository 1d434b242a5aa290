package org.batchnorm.dl4j;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.ref.Reference;
import java.util.Arrays;
import org.batchnorm.BatchNormFunction;
import org.batchnorm.Parameters;
import org.batchnorm.SavedStatistics;
import org.nd4j.linalg.api.ndarray.INDArray;

/** The operation of one layer and the values that it has for each feature, in arrays of length C. */
final class FeatureState {
    private static final double TWICE_LN_10 = 2 * Math.log(10);

    final BatchNormFunction function;
    final SavedStatistics saved;
    final Parameters parameters;
    private final float[] gamma;
    private final float[] beta;
    private final float[] dgamma;
    private final float[] dbeta;
    private final float[] mean;
    private final float[] variance;
    private final float[] update;

    FeatureState(int features, double eps) {
        function = BatchNormFunction.builder(features).eps(eps).build();
        saved = new SavedStatistics(features);
        gamma = new float[features];
        beta = new float[features];
        dgamma = new float[features];
        dbeta = new float[features];
        parameters = new Parameters(gamma, beta, dgamma, dbeta);
        mean = new float[features];
        variance = new float[features];
        update = new float[features];
    }

    /** Whether this is for so many features and that eps. */
    boolean isFor(long features, double eps) {
        return function.features() == features && Double.compare(function.eps(), eps) == 0;
    }

    void lock(double lockedGamma, double lockedBeta) {
        Arrays.fill(gamma, (float) lockedGamma);
        Arrays.fill(beta, (float) lockedBeta);
    }

    void readParameters(INDArray fromGamma, INDArray fromBeta) {
        read(fromGamma, gamma);
        read(fromBeta, beta);
    }

    void writeGradients(INDArray toGamma, INDArray toBeta) {
        write(dgamma, toGamma);
        write(dbeta, toBeta);
    }

    /** The running mean. */
    float[] mean(INDArray runningMean) {
        read(runningMean, mean);
        return mean;
    }

    /** The running variance from itself. */
    float[] variance(INDArray runningVariance) {
        read(runningVariance, variance);
        return variance;
    }

    /** The running variance from the logarithm of the standard deviation: 10^(2 · log10(std)). */
    float[] varianceOfLogStd(INDArray runningLogStd) {
        read(runningLogStd, variance);
        for (int c = 0; c < variance.length; c++) {
            variance[c] = (float) Math.exp(TWICE_LN_10 * variance[c]);
        }
        return variance;
    }

    /**
     * The gradient by which a step of length 1 moves a running mean or variance: {@code (1 − decay) · (running − of
     * batch)}.
     */
    void writeUpdate(INDArray running, float[] ofBatch, double decay, INDArray gradient) {
        read(running, update);
        for (int c = 0; c < update.length; c++) {
            update[c] = (float) ((1 - decay) * (update[c] - ofBatch[c]));
        }
        write(update, gradient);
    }

    /**
     * The same for the logarithm of the standard deviation, as if the variance were moved: {@code log10(std) −
     * log10(√(decay · std² + (1 − decay) · variance of batch))}.
     */
    void writeLogStdUpdate(INDArray runningLogStd, float[] varianceOfBatch, double decay, INDArray gradient) {
        read(runningLogStd, update);
        for (int c = 0; c < update.length; c++) {
            double ratio = varianceOfBatch[c] * Math.exp(-TWICE_LN_10 * update[c]);
            update[c] = (float) (-Math.log(decay + (1 - decay) * ratio) / TWICE_LN_10);
        }
        write(update, gradient);
    }

    /** Parameters and gradients are views of one row, so that their values lie side by side. */
    private static void read(INDArray from, float[] to) {
        try {
            MemorySegment.copy(DenseLayout.memory(from), ValueLayout.JAVA_FLOAT, 0, to, 0, to.length);
        } finally {
            Reference.reachabilityFence(from);
        }
    }

    private static void write(float[] from, INDArray to) {
        try {
            MemorySegment.copy(from, 0, DenseLayout.memory(to), ValueLayout.JAVA_FLOAT, 0, from.length);
        } finally {
            Reference.reachabilityFence(to);
        }
    }
}

package org.batchnorm.bench.peers.nd4j;

import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;
import org.batchnorm.bench.peers.Peer;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Expected;
import org.batchnorm.bench.workload.Inputs;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.data.Layout;
import org.jspecify.annotations.Nullable;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.api.ops.impl.layers.convolution.BatchNormDerivative;
import org.nd4j.linalg.factory.Nd4j;

/**
 * ND4J, called as Deeplearning4j's layer calls it: forward is {@code mean}, {@code var} and the {@code batchnorm}
 * operation, backward is {@code batchnorm_bp} into preallocated gradients.
 */
public final class Nd4jPeer implements Peer {
    /** Its jars do not tell; this module's pom pins it. */
    private static final String VERSION = "1.0.0-M2.1";

    @Override
    public String name() {
        return "nd4j";
    }

    @Override
    public Started start(int threads) {
        Nd4j.getEnvironment().setMaxMasterThreads(threads);
        Nd4j.getEnvironment().setMaxThreads(threads);
        return new Started(
                VERSION,
                Nd4j.getEnvironment().maxMasterThreads(),
                Nd4j.getBackend().getClass().getSimpleName());
    }

    @Override
    public List<String> variants(Operation operation, BenchShape shape) {
        return List.of("op");
    }

    @Override
    public Variant prepare(String variant, Operation operation, BenchShape shape, Inputs inputs) {
        return new Call(operation, shape, inputs);
    }

    private static final class Call implements Variant {
        private final Operation operation;
        private final int featureAxis;
        private final int[] otherAxes;
        private final INDArray x;
        private final INDArray gamma;
        private final INDArray beta;
        private final INDArray mean;
        private final INDArray variance;
        private final INDArray dy;
        private final INDArray dx;
        private final INDArray dgamma;
        private final INDArray dbeta;
        private @Nullable INDArray y;

        Call(Operation operation, BenchShape shape, Inputs in) {
            this.operation = operation;
            long[] extents = extents(shape);
            featureAxis = shape.layout() == Layout.CHANNELS_FIRST ? 1 : extents.length - 1;
            otherAxes = IntStream.range(0, extents.length)
                    .filter(axis -> axis != featureAxis)
                    .toArray();
            boolean backward = operation == Operation.BACKWARD;
            x = Nd4j.createFromArray(in.x()).reshape(extents);
            gamma = Nd4j.createFromArray(in.gamma());
            beta = Nd4j.createFromArray(in.beta());
            if (backward) {
                Inputs.BatchMoments moments = in.moments(shape);
                mean = Nd4j.createFromArray(moments.mean());
                variance = Nd4j.createFromArray(moments.variance());
            } else {
                mean = Nd4j.createFromArray(in.runningMean());
                variance = Nd4j.createFromArray(in.runningVar());
            }
            dy = backward ? Nd4j.createFromArray(in.dy()).reshape(extents) : x;
            dx = backward ? Nd4j.createUninitialized(x.shape()) : x;
            dgamma = gamma.ulike();
            dbeta = gamma.ulike();
        }

        @Override
        public void run() {
            switch (operation) {
                case FORWARD -> {
                    INDArray batchMean = x.mean(otherAxes);
                    INDArray batchVariance = x.var(false, otherAxes);
                    y = normalize(batchMean, batchVariance);
                    batchMean.close();
                    batchVariance.close();
                }
                case INFERENCE -> y = normalize(mean, variance);
                case BACKWARD -> backward();
                case STEP, COPY, STREAM, READ, READ2, STREAM2 ->
                    throw new IllegalArgumentException(
                            "operation: " + operation + " given, must be one of " + Operation.ofBatchNorm());
            }
        }

        private INDArray normalize(INDArray center, INDArray spread) {
            closeOutput();
            return Nd4j.nn().batchNorm(x, center, spread, gamma, beta, Inputs.EPS, featureAxis);
        }

        private void backward() {
            INDArray dmean = gamma.ulike();
            INDArray dvariance = gamma.ulike();
            Nd4j.exec(BatchNormDerivative.derivativeBuilder()
                    .inputArrays(new INDArray[] {x, mean, variance, gamma, beta, dy})
                    .outputArrays(new INDArray[] {dx, dmean, dvariance, dgamma, dbeta})
                    .applyGamma(true)
                    .applyBeta(true)
                    .epsilon(Inputs.EPS)
                    .axis(new int[] {featureAxis})
                    .build());
            dmean.close();
            dvariance.close();
        }

        @Override
        public Map<String, float[]> results() {
            return operation == Operation.BACKWARD
                    ? Map.of(
                            Expected.DX, floats(dx),
                            Expected.DGAMMA, floats(dgamma),
                            Expected.DBETA, floats(dbeta))
                    : Map.of(Expected.Y, floats(Objects.requireNonNull(y, "run() comes first")));
        }

        @Override
        public void close() {
            closeOutput();
            List.of(gamma, beta, mean, variance, dgamma, dbeta).forEach(INDArray::close);
            if (operation == Operation.BACKWARD) {
                dy.close();
                dx.close();
            }
            x.close();
        }

        private void closeOutput() {
            if (y != null) {
                y.close();
            }
        }
    }

    private static float[] floats(INDArray array) {
        return array.dup('c').data().asFloat();
    }

    private static long[] extents(BenchShape shape) {
        long[] extents = shape.extents().stream().mapToLong(Long::longValue).toArray();
        if (shape.layout() == Layout.CHANNELS_FIRST) {
            return extents;
        }
        long features = extents[1];
        System.arraycopy(extents, 2, extents, 1, extents.length - 2);
        extents[extents.length - 1] = features;
        return extents;
    }
}

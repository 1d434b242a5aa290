package org.batchnorm;

import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import org.batchnorm.conformance.Reference;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.spi.Activation;

/**
 * A layer with one shape, as the golden and the allocation tests use it. All their calls to the public interface are
 * here, so that a change of that interface changes this class alone.
 */
public final class LayerCalls implements AutoCloseable {
    /** What {@link BatchNormConfig} has by default, for the expected values. */
    public static final double EPS = BatchNormConfig.DEFAULT_EPS;

    /** What {@link BatchNormConfig} has by default, for the expected values. */
    public static final double MOMENTUM = BatchNormConfig.DEFAULT_MOMENTUM;

    private final BatchNorm layer;
    private final BatchShape shape;
    private final SavedStatistics saved;
    private final Arena arena = Arena.ofShared();

    /** A layer that is made for one shape, on a forced backend. */
    public LayerCalls(String backend, int threads, Shape of) {
        this(BatchNorm.builder(of.c()).backend(backend).threads(threads), of);
    }

    private LayerCalls(BatchNormBuilder builder, Shape of) {
        layer = builder.build();
        shape = of.batchShape();
        saved = new SavedStatistics(of.c());
    }

    /** The same for values of a type, with what {@link AllocationMain#FUSED} names. */
    static LayerCalls of(String backend, int threads, Shape shape, ElementType type, String fused) {
        BatchNormBuilder builder = BatchNorm.builder(shape.c()).backend(backend).threads(threads);
        if (type == ElementType.FLOAT64) {
            builder.elementType(type);
        }
        switch (fused) {
            case "both" -> builder.inputActivation(Activation.leakyRelu(0.1)).activation(Activation.relu());
            case "undone" -> builder.activation(Activation.leakyRelu(0.1)).recomputeInputFromOutput(true);
            case "residual" -> builder.activation(Activation.relu());
            case "" -> {}
            default -> throw new IllegalArgumentException(fused);
        }
        return new LayerCalls(builder, shape);
    }

    /** N samples, C features, S spatial positions, in the words of the tests. */
    public record Shape(long n, int c, long spatial, boolean channelsLast) {
        /** The shape (N, C). */
        public static Shape flat(long n, int c) {
            return new Shape(n, c, 1, false);
        }

        /** The shape (N, C, S). */
        public static Shape first(long n, int c, long spatial) {
            return new Shape(n, c, spatial, false);
        }

        /** The shape (N, S, C); the features are given second all the same. */
        public static Shape last(long n, int c, long spatial) {
            return new Shape(n, c, spatial, true);
        }

        /** That of the layer. */
        public BatchShape batchShape() {
            return channelsLast ? BatchShape.channelsLast(n, c, spatial) : BatchShape.channelsFirst(n, c, spatial);
        }

        /** The number of values. */
        public int elements() {
            return Math.toIntExact(n * c * spatial);
        }

        /** m, the number of values of each feature. */
        public int valuesPerFeature() {
            return Math.toIntExact(n * spatial);
        }

        /** The feature of the value at {@code index}. */
        public int feature(int index) {
            return (int) (channelsLast ? index % c : index / spatial % c);
        }

        /** The extents in memory order. */
        @Override
        public String toString() {
            if (spatial == 1) {
                return n + "x" + c;
            }
            return channelsLast ? "last-" + n + "x" + spatial + "x" + c : "first-" + n + "x" + c + "x" + spatial;
        }
    }

    /** The two kinds of memory. */
    public enum Kind {
        /** A {@code float[]}. */
        ARRAY,
        /** Off-heap memory that all threads may use. */
        SEGMENT
    }

    /** The values of one tensor, in the layer's currency: made outside of the calls. */
    public static final class Values {
        private final Batch batch;

        private Values(Batch batch) {
            this.batch = batch;
        }

        /** A copy of the values. */
        public float[] copy() {
            return batch.segment().toArray(ValueLayout.JAVA_FLOAT);
        }
    }

    /** A tensor in memory of one kind, with a copy of the given values. A segment lives until the layer is closed. */
    public Values values(Kind kind, float[] values) {
        return new Values(
                kind == Kind.ARRAY
                        ? Batch.of(values.clone(), shape)
                        : Batch.of(arena.allocateFrom(ValueLayout.JAVA_FLOAT, values), shape));
    }

    /** The same with values of a type. */
    public Values values(Kind kind, ElementType type, float[] values) {
        if (type == ElementType.FLOAT32) {
            return values(kind, values);
        }
        if (type == ElementType.FLOAT64) {
            double[] doubles = Reference.widen(values);
            return new Values(
                    kind == Kind.ARRAY
                            ? Batch.of(doubles, shape)
                            : Batch.of(arena.allocateFrom(ValueLayout.JAVA_DOUBLE, doubles), type, shape));
        }
        short[] bits = new short[values.length];
        for (int i = 0; i < bits.length; i++) {
            bits[i] = type.toBits(values[i]);
        }
        return new Values(
                kind == Kind.ARRAY
                        ? Batch.of(bits, type, shape)
                        : Batch.of(arena.allocateFrom(ValueLayout.JAVA_SHORT, bits), type, shape));
    }

    /** Sets gamma, beta and the running statistics; the gradients become zero. */
    public void set(float[] gamma, float[] beta, float[] runningMean, float[] runningVar) {
        int c = shape.c();
        System.arraycopy(gamma, 0, layer.weight(), 0, c);
        System.arraycopy(beta, 0, layer.bias(), 0, c);
        System.arraycopy(runningMean, 0, layer.runningMean(), 0, c);
        System.arraycopy(runningVar, 0, layer.runningVar(), 0, c);
        layer.zeroGradients();
    }

    /** The mode in which forward uses the batch's statistics and updates the running ones. */
    public void train() {
        layer.train();
    }

    /** The mode in which forward uses the running statistics. */
    public void infer() {
        layer.eval();
    }

    /** The mode in which forward and backward use the running statistics. */
    public void freeze() {
        layer.freezeStatistics();
    }

    /** The mode in which forward updates the running statistics and uses those from before. */
    public void collect() {
        layer.train().useBatchStatistics(false).updateRunningStatistics(true);
    }

    /** The forward operation of the mode. It saves its statistics, in inference too. */
    public void forward(Values x, Values y) {
        layer.forward(x.batch, y.batch, saved);
    }

    /** The same with a residual. */
    void forward(Values x, Values residual, Values y) {
        layer.forward(x.batch, residual.batch, y.batch, saved);
    }

    /** The forward operation of the mode. It saves its statistics in the layer's own place, in inference nowhere. */
    public void forwardAlone(Values x, Values y) {
        layer.forward(x.batch, y.batch);
    }

    /** The same with a residual. */
    void forwardAlone(Values x, Values residual, Values y) {
        layer.forward(x.batch, residual.batch, y.batch);
    }

    /** The backward operation of the last {@link #forward}; the gradients of gamma and beta are added up. */
    public void backward(Values x, Values dy, Values dx) {
        layer.backward(x.batch, dy.batch, dx.batch, saved);
    }

    /** The same of the last forward with a residual. */
    void backward(Values x, Values y, Values dy, Values dx, Values dresidual) {
        layer.backward(x.batch, y.batch, dy.batch, dx.batch, dresidual.batch, saved);
    }

    /** The mean with which the last {@link #forward} normalized. */
    public float[] mean() {
        return saved.mean();
    }

    /** The reciprocal of the standard deviation with which the last {@link #forward} normalized. */
    public float[] rstd() {
        return saved.rstd();
    }

    /** A copy of the running mean. */
    public float[] runningMean() {
        return layer.runningMean().clone();
    }

    /** A copy of the running variance. */
    public float[] runningVar() {
        return layer.runningVar().clone();
    }

    /** A copy of the gradient of gamma. */
    public float[] dgamma() {
        return layer.weightGradient().clone();
    }

    /** A copy of the gradient of beta. */
    public float[] dbeta() {
        return layer.biasGradient().clone();
    }

    @Override
    public void close() {
        layer.close();
        arena.close();
    }
}

package org.batchnorm.bench.experiments.accumulated;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.batchnorm.AccumulatedBatches;
import org.batchnorm.BatchNorm;
import org.batchnorm.bench.experiments.network.Linear;
import org.batchnorm.bench.experiments.network.Parameter;
import org.batchnorm.bench.experiments.network.Sgd;
import org.batchnorm.bench.experiments.network.SoftmaxCrossEntropy;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.Activation;

/**
 * A network that has memory for the rows of one micro-batch:
 *
 * <pre>
 *   x ─Linear─▶ z ─LeakyReLU, batch norm─▶ y ─Linear─▶ logits ─▶ loss
 * </pre>
 *
 * <p>It trains on a large batch in one of two ways. Each micro-batch is normalized by itself, and the gradients add up;
 * or all are normalized as the one batch that they are, by {@link AccumulatedBatches}. Then nothing is kept of a
 * micro-batch but its share of sums, and what a sweep needs of the sweep before is computed again: z three times, y and
 * dy twice.
 */
final class Network implements AutoCloseable {
    private static final double SLOPE = 0.01;
    private static final double LEARNING_RATE = 0.02;

    private final int width;
    private final Linear first;
    private final BatchNorm norm;
    private final AccumulatedBatches large;
    private final Linear last;
    private final SoftmaxCrossEntropy loss;
    private final List<Parameter> parameters = new ArrayList<>();
    private final Sgd optimizer;
    private final float[] z;
    private final float[] y;
    private final float[] logits;
    private final float[] dlogits;
    private final float[] gradient;

    /** How large a network is. */
    record Size(int inputs, int width, int classes) {}

    /**
     * A new network; those of the same seed have the same weights.
     *
     * @param rows the most of a micro-batch
     */
    Network(Size size, int rows, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        this.width = size.width;
        this.first = Linear.he(size.inputs, width, random);
        this.norm = BatchNorm.builder(width)
                .inputActivation(Activation.leakyRelu(SLOPE))
                .build();
        this.large = new AccumulatedBatches(norm);
        this.last = Linear.glorot(width, size.classes, random);
        this.loss = new SoftmaxCrossEntropy(size.classes);
        parameters.addAll(first.parameters());
        parameters.add(new Parameter("weight", norm.weight(), norm.weightGradient()));
        parameters.add(new Parameter("bias", norm.bias(), norm.biasGradient()));
        parameters.addAll(last.parameters());
        this.optimizer = new Sgd(parameters, LEARNING_RATE, Sgd.DEFAULT_MOMENTUM);
        this.z = new float[rows * width];
        this.y = new float[z.length];
        this.gradient = new float[z.length];
        this.logits = new float[rows * size.classes];
        this.dlogits = new float[logits.length];
    }

    /** The bytes of z, y, the logits and the gradients by them. */
    long bytes() {
        return (z.length + y.length + gradient.length + logits.length + (long) dlogits.length) * Float.BYTES;
    }

    /** The layer between the two linear ones. */
    BatchNorm norm() {
        return norm;
    }

    /** One step of training, in which each micro-batch has its own statistics; returns the loss before it. */
    double stepEachByItself(MicroBatches batch) {
        parameters.forEach(parameter -> Arrays.fill(parameter.gradient(), 0));
        double sum = 0;
        for (int i = 0; i < batch.parts(); i++) {
            float[] x = batch.x().get(i);
            int n = batch.labels().get(i).length;
            first.forward(n, x, z, true);
            norm.forward(of(n, z), of(n, y));
            sum += lossOf(batch, i);
            norm.backward(of(n, z), of(n, gradient), of(n, gradient));
            first.backward(n, x, z, gradient, null);
        }
        optimizer.step();
        return sum / batch.rows();
    }

    /** One step of training, in which all micro-batches together have one statistic; returns the loss before it. */
    double stepAccumulated(MicroBatches batch) {
        parameters.forEach(parameter -> Arrays.fill(parameter.gradient(), 0));
        for (int i = 0; i < batch.parts(); i++) {
            large.collectStatistics(first(batch, i));
        }
        large.mergeStatistics();
        for (int i = 0; i < batch.parts(); i++) {
            Batch input = first(batch, i);
            large.transform(input, of(batch.labels().get(i).length, y));
            lossOf(batch, i);
            large.reduceGradients(input, of(batch.labels().get(i).length, gradient));
        }
        large.mergeGradients();
        // The next sweep makes the same gradients of the last layer once more.
        last.parameters().forEach(parameter -> Arrays.fill(parameter.gradient(), 0));
        double sum = 0;
        for (int i = 0; i < batch.parts(); i++) {
            int n = batch.labels().get(i).length;
            Batch input = first(batch, i);
            large.transform(input, of(n, y));
            sum += lossOf(batch, i);
            large.inputGradient(input, of(n, gradient), of(n, gradient));
            first.backward(n, batch.x().get(i), z, gradient, null);
        }
        optimizer.step();
        return sum / batch.rows();
    }

    /** The input of batch norm, of one part. */
    private Batch first(MicroBatches batch, int i) {
        int n = batch.labels().get(i).length;
        first.forward(n, batch.x().get(i), z, true);
        return of(n, z);
    }

    /** The sum of the losses of one part, of its y; and the gradient by that y, of the mean over all rows. */
    private double lossOf(MicroBatches batch, int i) {
        int[] labels = batch.labels().get(i);
        last.forward(labels.length, y, logits, true);
        double sum = loss.lossSumAndGradient(labels.length, batch.rows(), logits, labels, dlogits);
        last.backward(labels.length, y, logits, dlogits, gradient);
        return sum;
    }

    private Batch of(int n, float[] values) {
        return Batch.of(values, BatchShape.of(n, width));
    }

    @Override
    public void close() {
        norm.close();
    }
}

package org.batchnorm.bench.experiments.train;

import java.util.HashMap;
import java.util.Map;
import java.util.stream.IntStream;
import org.batchnorm.bench.experiments.data.Dataset;
import org.batchnorm.bench.experiments.network.Sequential;
import org.batchnorm.bench.experiments.network.SoftmaxCrossEntropy;

/** A network in host memory with its loss, and memory for batches of every size that it has seen. */
public final class Classifier implements AutoCloseable {
    private static final int EVALUATED_AT_ONCE = 500;

    private final Sequential network;
    private final SoftmaxCrossEntropy loss;
    private final Map<Integer, Sequential.Activations> activations = new HashMap<>();

    /** Takes over the network, which is closed with this. */
    public Classifier(Sequential network) {
        this.network = network;
        this.loss = new SoftmaxCrossEntropy(network.outputs());
    }

    /** The network. */
    public Sequential network() {
        return network;
    }

    /**
     * The gradients of the mean loss of a batch, in training mode, left in the parameters.
     *
     * @param x in, (n, inputs)
     * @param labels in, (n)
     * @return the mean loss
     */
    public double gradients(float[] x, int[] labels) {
        return gradientsOfPart(x, labels, labels.length) / labels.length;
    }

    /**
     * What a part of a batch adds to the gradients of the mean loss of the whole batch, in training mode, left in the
     * parameters.
     *
     * @param x in, (n, inputs)
     * @param labels in, (n)
     * @param batchSize rows of the whole batch
     * @return the sum of the losses of the part's rows
     */
    double gradientsOfPart(float[] x, int[] labels, int batchSize) {
        int n = labels.length;
        Sequential.Activations memory = activations(n);
        network.zeroGradients();
        float[] logits = network.forward(memory, x, true);
        double sum = loss.lossSumAndGradient(n, batchSize, logits, labels, memory.outputGradient());
        network.backward(memory);
        return sum;
    }

    /** The mean loss and the accuracy over a data set, in inference mode. */
    public ResidentTraining.Score score(Dataset data) {
        SoftmaxCrossEntropy.Score sums = sums(data);
        return new ResidentTraining.Score(sums.lossSum() / data.size(), (double) sums.correct() / data.size());
    }

    /** The sum of the losses and the images classified correctly of a data set, in inference mode. */
    SoftmaxCrossEntropy.Score sums(Dataset data) {
        double lossSum = 0;
        int correct = 0;
        for (int from = 0; from < data.size(); from += EVALUATED_AT_ONCE) {
            int n = Math.min(EVALUATED_AT_ONCE, data.size() - from);
            float[] x = new float[n * data.width()];
            int[] labels = new int[n];
            data.copyRows(IntStream.range(from, from + n).toArray(), x, labels);
            SoftmaxCrossEntropy.Score score = loss.score(n, network.forward(activations(n), x, false), labels);
            lossSum += score.lossSum();
            correct += score.correct();
        }
        return new SoftmaxCrossEntropy.Score(lossSum, correct);
    }

    /**
     * The output of a layer for all images of a data set at once, in inference mode: (n, outputs of that layer), which
     * the next call overwrites.
     */
    public float[] outputs(Dataset data, int layer) {
        int n = data.size();
        float[] x = new float[Math.multiplyExact(n, data.width())];
        data.copyRows(IntStream.range(0, n).toArray(), x, new int[n]);
        network.forward(activations(n), x, false);
        return activations(n).output(layer);
    }

    /** What flows between the layers for batches of n rows, as the latest one left it. */
    public Sequential.Activations activations(int n) {
        return activations.computeIfAbsent(n, network::activations);
    }

    @Override
    public void close() {
        network.close();
    }
}

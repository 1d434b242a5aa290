package org.batchnorm.bench.train;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.batchnorm.bench.data.Dataset;
import org.batchnorm.bench.network.BatchNormLayer;
import org.batchnorm.bench.network.Optimizer;
import org.batchnorm.bench.network.Sequential;
import org.batchnorm.bench.network.SoftmaxCrossEntropy;
import org.batchnorm.bench.network.SoftmaxCrossEntropy.Score;

/** A network in host memory, whose batch norm the library's layer runs. */
final class HostTrainee implements Trainee {
    private static final int EVALUATED_AT_ONCE = 500;

    private final String name;
    private final Sequential network;
    private final Optimizer optimizer;
    private final SoftmaxCrossEntropy loss;
    private final List<BatchNormLayer> batchNorms;
    private final Map<Integer, Sequential.Activations> activations = new HashMap<>();
    private final Curve curve;

    /**
     * A network about to be trained.
     *
     * @param name what tells it from the others, in tables and files
     * @param network closed with this trainee
     * @param optimizer of the network's parameters
     * @param steps how many it will take at most
     */
    HostTrainee(String name, Sequential network, Optimizer optimizer, int steps) {
        this.name = name;
        this.network = network;
        this.optimizer = optimizer;
        this.loss = new SoftmaxCrossEntropy(network.outputs());
        this.batchNorms = network.layers().stream()
                .filter(BatchNormLayer.class::isInstance)
                .map(BatchNormLayer.class::cast)
                .toList();
        this.curve = new Curve(steps);
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public Curve curve() {
        return curve;
    }

    @Override
    public boolean hasBatchNorm() {
        return !batchNorms.isEmpty();
    }

    @Override
    public String place() {
        return batchNorms.isEmpty() ? "" : batchNorms.getFirst().backendName();
    }

    @Override
    public void step(Batch batch) {
        int n = batch.labels().length;
        Sequential.Activations memory = activationsFor(n);
        long batchNormBefore = batchNormNanos();
        long start = System.nanoTime();
        network.zeroGradients();
        float[] logits = network.forward(memory, batch.x(), true);
        double batchLoss = loss.lossAndGradient(n, logits, batch.labels(), memory.outputGradient());
        network.backward(memory);
        optimizer.step();
        curve.addStep(batchLoss, System.nanoTime() - start, batchNormNanos() - batchNormBefore);
    }

    @Override
    public void evaluate(Dataset test) {
        double lossSum = 0;
        int correct = 0;
        for (int from = 0; from < test.size(); from += EVALUATED_AT_ONCE) {
            int n = Math.min(EVALUATED_AT_ONCE, test.size() - from);
            float[] x = new float[n * test.width()];
            int[] labels = new int[n];
            for (int i = 0; i < n; i++) {
                test.copyRow(from + i, x, i);
                labels[i] = test.label(from + i);
            }
            Score score = loss.score(n, network.forward(activationsFor(n), x, false), labels);
            lossSum += score.lossSum();
            correct += score.correct();
        }
        curve.addEvaluation(lossSum / test.size(), (double) correct / test.size());
    }

    private Sequential.Activations activationsFor(int n) {
        return activations.computeIfAbsent(n, network::activations);
    }

    private long batchNormNanos() {
        return batchNorms.stream().mapToLong(BatchNormLayer::nanos).sum();
    }

    @Override
    public void close() {
        network.close();
    }
}

package org.batchnorm.bench.train;

import java.util.List;
import org.batchnorm.bench.data.Dataset;
import org.batchnorm.bench.network.BatchNormLayer;
import org.batchnorm.bench.network.Optimizer;
import org.batchnorm.bench.network.Sequential;

/** A network in host memory, whose batch norm the library's layer runs. */
final class HostTrainee implements Trainee {
    private final String name;
    private final Classifier classifier;
    private final Optimizer optimizer;
    private final List<BatchNormLayer> batchNorms;
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
        this.classifier = new Classifier(network);
        this.optimizer = optimizer;
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
        long batchNormBefore = batchNormNanos();
        long start = System.nanoTime();
        double batchLoss = classifier.gradients(batch.x(), batch.labels());
        optimizer.step();
        curve.addStep(batchLoss, System.nanoTime() - start, batchNormNanos() - batchNormBefore);
    }

    @Override
    public void evaluate(Dataset test) {
        ResidentTraining.Score score = classifier.score(test);
        curve.addEvaluation(score.loss(), score.accuracy());
    }

    private long batchNormNanos() {
        return batchNorms.stream().mapToLong(BatchNormLayer::nanos).sum();
    }

    @Override
    public void close() {
        classifier.close();
    }
}

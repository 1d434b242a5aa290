package org.batchnorm.bench.experiments.train;

import org.batchnorm.bench.experiments.data.Dataset;
import org.batchnorm.bench.experiments.network.Optimizer;
import org.batchnorm.bench.experiments.network.Sequential;

/** A network that one process trains. */
final class HostTrainee extends NetworkTrainee {
    /** A network about to be trained; the parameters are those of {@link NetworkTrainee}. */
    HostTrainee(String name, Sequential network, Optimizer optimizer, int steps) {
        super(name, network, optimizer, steps);
    }

    @Override
    public void step(Batch batch) {
        long betweenBefore = betweenLinearNanos();
        long start = System.nanoTime();
        double batchLoss = classifier.gradients(batch.x(), batch.labels());
        optimizer.step();
        curve().addStep(batchLoss, System.nanoTime() - start, betweenLinearNanos() - betweenBefore);
    }

    @Override
    public void evaluate(Dataset test) {
        ResidentTraining.Score score = classifier.score(test);
        curve().addEvaluation(score.loss(), score.accuracy());
    }
}

package org.batchnorm.bench.experiments.papers;

import java.util.SortedSet;
import java.util.function.IntConsumer;
import org.batchnorm.bench.experiments.data.Dataset;
import org.batchnorm.bench.experiments.network.Optimizer;
import org.batchnorm.bench.experiments.network.Sgd;
import org.batchnorm.bench.experiments.train.Batches;
import org.batchnorm.bench.experiments.train.Classifier;
import org.batchnorm.bench.experiments.train.Trainee;

/** The training of a network in a trial. */
record Training(Trial trial, Classifier classifier, Optimizer optimizer, Batches batches) {

    /**
     * Stochastic gradient descent without momentum, which the papers' arguments are about, on all training images in
     * the order of the trial's seed.
     */
    static Training plainSgd(Trial trial, Classifier classifier, double learningRate, int batchSize) {
        return plainSgd(trial, classifier, learningRate, trial.setting().data().train(), batchSize);
    }

    /** The same on the given images. */
    static Training plainSgd(Trial trial, Classifier classifier, double learningRate, Dataset images, int batchSize) {
        Optimizer optimizer = new Sgd(classifier.network().parameters(), learningRate, 0);
        return new Training(trial, classifier, optimizer, new Batches(images, batchSize, trial.orderSeed()));
    }

    /** Takes a step and returns the mean loss of the batch before it. */
    double step() {
        Trainee.Batch batch = batches.next();
        double loss = classifier.gradients(batch.x(), batch.labels());
        optimizer.step();
        return loss;
    }

    /**
     * Takes steps up to the last checkpoint, each a unit of work of the trial.
     *
     * @param checkpoints after which steps to call {@code look}
     * @param look told the step
     */
    void run(SortedSet<Integer> checkpoints, IntConsumer look) {
        for (int step = 1; step <= checkpoints.last(); step++) {
            step();
            if (checkpoints.contains(step)) {
                look.accept(step);
            }
            trial.worked(1);
        }
    }
}

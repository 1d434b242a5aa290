package org.batchnorm.bench.experiments.papers;

import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import org.batchnorm.BatchNorm;
import org.batchnorm.bench.experiments.data.Dataset;
import org.batchnorm.bench.experiments.network.BatchNormLayer;
import org.batchnorm.bench.experiments.train.Batches;
import org.batchnorm.bench.experiments.train.Classifier;
import org.batchnorm.bench.experiments.train.Trainee;
import org.batchnorm.state.Tensor;

/**
 * Ioffe and Szegedy 2015, algorithm 2: at inference each layer normalizes with E[x] and m/(m−1)·E[σ²] over training
 * batches of m. The library's layer computes them itself: a cumulative average over one pass in training mode.
 */
final class PopulationStatistics {
    private PopulationStatistics() {}

    /**
     * The test accuracy with population statistics. The classifier is left as it was.
     *
     * @param train over which the statistics are taken, in batches of the given size
     */
    static double accuracy(Classifier classifier, Dataset train, Dataset test, int batchSize) {
        List<BatchNorm> layers = classifier.network().layers().stream()
                .filter(BatchNormLayer.class::isInstance)
                .map(layer -> ((BatchNormLayer) layer).batchNorm())
                .toList();
        List<Map<String, Tensor>> states = layers.stream().map(BatchNorm::state).toList();
        List<OptionalDouble> momenta =
                layers.stream().map(layer -> layer.config().momentum()).toList();
        layers.forEach(layer -> layer.cumulativeAverage().resetRunningStatistics());
        Batches batches = new Batches(train, batchSize, 0);
        for (int batch = 0; batch < train.size() / batchSize; batch++) {
            Trainee.Batch images = batches.next();
            classifier.network().forward(classifier.activations(batchSize), images.x(), true);
        }
        double accuracy = classifier.score(test).accuracy();
        for (int i = 0; i < layers.size(); i++) {
            BatchNorm layer = layers.get(i);
            layer.loadState(states.get(i));
            momenta.get(i).ifPresent(layer::momentum);
        }
        return accuracy;
    }
}

package org.batchnorm.bench.experiments.papers;

import java.util.Optional;
import org.batchnorm.bench.experiments.network.Sequential;
import org.batchnorm.bench.experiments.train.ResidentTraining;
import org.batchnorm.bench.experiments.train.ResidentTraining.ResidentModel;
import org.batchnorm.bench.experiments.train.Settings;
import org.batchnorm.bench.experiments.train.UpdateRule;

/**
 * Where networks can be trained wholly on a device.
 *
 * @param training how
 * @param device the device's id; empty for the default
 */
public record ResidentPlace(ResidentTraining training, Optional<String> device) {

    /** The network of a trial, about to be trained there by plain gradient descent. */
    ResidentModel open(Trial trial, Sequential network, int batchSize, int steps, double learningRate) {
        Settings settings = new Settings(batchSize, steps, steps, learningRate, trial.orderSeed());
        return training.open(network, trial.setting().data(), new UpdateRule.Descent(0), settings, device);
    }
}

package org.batchnorm.bench.experiments.papers;

import java.util.Optional;
import java.util.function.IntFunction;
import org.batchnorm.BatchNormBuilder;
import org.batchnorm.bench.experiments.data.TrainTest;
import org.batchnorm.bench.experiments.network.BatchNormLayer;

/**
 * What an experiment is run with.
 *
 * @param data to train on and to test with
 * @param scale how much of the experiment
 * @param seeds how many seeds, ≥ 1: 0, 1, and so on
 * @param builder makes the builder of a batch norm layer for a number of features, with the backend that was asked for
 * @param resident a device to train on wholly, beside the host; empty for none
 */
public record Setting(
        TrainTest data,
        Scale scale,
        int seeds,
        IntFunction<BatchNormBuilder> builder,
        Optional<ResidentPlace> resident) {

    /**
     * Checks the number of seeds.
     *
     * @throws IllegalArgumentException if it is less than 1
     */
    public Setting {
        if (seeds < 1) {
            throw new IllegalArgumentException("seeds: " + seeds + " given, must be at least 1");
        }
    }

    /** The same on the host alone. */
    Setting(TrainTest data, Scale scale, int seeds, IntFunction<BatchNormBuilder> builder) {
        this(data, scale, seeds, builder, Optional.empty());
    }

    /** A batch norm layer with the defaults of the library. */
    BatchNormLayer batchNorm(int features) {
        return new BatchNormLayer(builder.apply(features).build());
    }

    /** The width of a network's input. */
    int inputs() {
        return data.train().width();
    }

    /** The number of labels. */
    int classes() {
        return data.train().classes();
    }
}

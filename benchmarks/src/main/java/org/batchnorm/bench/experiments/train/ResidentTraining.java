package org.batchnorm.bench.experiments.train;

import java.util.Optional;
import java.util.ServiceLoader;
import org.batchnorm.bench.experiments.data.TrainTest;
import org.batchnorm.bench.experiments.network.Sequential;
import org.batchnorm.spi.BackendUnavailableException;

/** Trains networks wholly on a device. A service, because it needs TornadoVM and these benchmarks do not. */
public interface ResidentTraining {

    /**
     * The service's provider.
     *
     * @throws BackendUnavailableException if there is none, with the remedy
     */
    static ResidentTraining find() {
        return ServiceLoader.load(ResidentTraining.class)
                .findFirst()
                .orElseThrow(
                        () -> new BackendUnavailableException("training on the device needs TornadoVM, which is not"
                                + " here; set TORNADOVM_HOME to a TornadoVM SDK for JDK 25"));
    }

    /**
     * Puts a network and its data on a device.
     *
     * @param network layers and initial weights, which are copied
     * @param rule the same for all parameters
     * @param device the device's id, as {@code batchnorm devices} lists it; empty for the default
     * @throws BackendUnavailableException if TornadoVM or the device cannot be used, with the remedy
     */
    ResidentModel open(Sequential network, TrainTest data, UpdateRule rule, Settings settings, Optional<String> device);

    /** A network on a device. */
    interface ResidentModel extends AutoCloseable {

        /** The device, in words. */
        String device();

        /**
         * One step of training. Its loss stays on the device.
         *
         * @param images the index of each image in the data to train on
         */
        void step(int[] images);

        /**
         * Reads the losses of the steps so far from the device: the mean over each batch, before its step moved the
         * parameters.
         */
        float[] losses();

        /** Looks at all test images, in inference mode. */
        Score evaluate();

        @Override
        void close();
    }

    /**
     * How well the test images are classified.
     *
     * @param loss the mean
     * @param accuracy the share classified correctly, within [0, 1]
     */
    record Score(double loss, double accuracy) {}
}

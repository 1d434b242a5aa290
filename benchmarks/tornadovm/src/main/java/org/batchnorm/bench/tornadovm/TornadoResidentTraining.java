package org.batchnorm.bench.tornadovm;

import java.util.Optional;
import org.batchnorm.bench.experiments.data.Dataset;
import org.batchnorm.bench.experiments.data.TrainTest;
import org.batchnorm.bench.experiments.network.BatchNormLayer;
import org.batchnorm.bench.experiments.network.Layer;
import org.batchnorm.bench.experiments.network.LeakyReLU;
import org.batchnorm.bench.experiments.network.Linear;
import org.batchnorm.bench.experiments.network.Sequential;
import org.batchnorm.bench.experiments.network.Sigmoid;
import org.batchnorm.bench.experiments.train.ResidentTraining;
import org.batchnorm.bench.experiments.train.Settings;
import org.batchnorm.bench.experiments.train.UpdateRule;
import org.batchnorm.bench.tornadovm.resident.CudaGraphs;
import org.batchnorm.bench.tornadovm.resident.Optimizer;
import org.batchnorm.bench.tornadovm.resident.ResidentNetwork;
import org.batchnorm.bench.tornadovm.resident.ResidentNetwork.Images;
import org.batchnorm.bench.tornadovm.resident.ResidentNetwork.Schedule;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/** Resident training by {@link ResidentNetwork}. */
public final class TornadoResidentTraining implements ResidentTraining {

    /** For the service loader. */
    public TornadoResidentTraining() {}

    @Override
    public ResidentModel open(
            Sequential network, TrainTest data, UpdateRule rule, Settings settings, Optional<String> device) {
        Devices.Device place = Devices.choose(device);
        return new Model(
                place.description()
                        + (CudaGraphs.recordedOn(place.handle()) ? ", each step a replayed CUDA graph" : ""),
                new ResidentNetwork(
                        network.layers().stream()
                                .map(TornadoResidentTraining::layer)
                                .toList(),
                        images(data.train()),
                        images(data.test()),
                        new Schedule(optimizer(rule, settings.learningRate()), settings.batchSize(), settings.steps()),
                        place.handle()));
    }

    private static ResidentNetwork.Layer layer(Layer layer) {
        return switch (layer) {
            case Linear linear ->
                new ResidentNetwork.Layer.Linear(
                        linear.parameters().getFirst().value(),
                        linear.parameters().getLast().value());
            case LeakyReLU leaky -> new ResidentNetwork.Layer.LeakyRelu(leaky.slope());
            case Sigmoid sigmoid -> new ResidentNetwork.Layer.Sigmoid();
            case BatchNormLayer norm -> new ResidentNetwork.Layer.BatchNorm(norm.config(), norm.activations());
            default ->
                throw new IllegalArgumentException(
                        "layer: " + layer.getClass().getSimpleName() + " given, which does not exist on the device");
        };
    }

    private static Optimizer optimizer(UpdateRule rule, double learningRate) {
        return switch (rule) {
            case UpdateRule.Descent descent -> new Optimizer.Sgd(learningRate, descent.momentum());
            case UpdateRule.Adam adam -> new Optimizer.Adam(learningRate);
        };
    }

    private static Images images(Dataset data) {
        int width = data.width();
        FloatArray pixels = new FloatArray(Math.multiplyExact(data.size(), width));
        IntArray labels = new IntArray(data.size());
        float[] row = new float[width];
        for (int image = 0; image < data.size(); image++) {
            data.copyRow(image, row, 0);
            for (int j = 0; j < width; j++) {
                pixels.set(image * width + j, row[j]);
            }
            labels.set(image, data.label(image));
        }
        return new Images(pixels, labels, width);
    }

    private record Model(String device, ResidentNetwork network) implements ResidentModel {
        @Override
        public void step(int[] images) {
            network.step(images);
        }

        @Override
        public float[] losses() {
            return network.losses();
        }

        @Override
        public Score evaluate() {
            ResidentNetwork.Score score = network.evaluate();
            return new Score(score.loss(), score.accuracy());
        }

        @Override
        public void close() {
            network.close();
        }
    }
}

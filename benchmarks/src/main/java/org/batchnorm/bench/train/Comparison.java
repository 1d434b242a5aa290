package org.batchnorm.bench.train;

import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.function.IntFunction;
import org.batchnorm.BatchNorm;
import org.batchnorm.bench.data.TrainTest;
import org.batchnorm.bench.network.BatchNormLayer;
import org.batchnorm.bench.network.Sequential;

/**
 * Trains several networks in step, each on the same batches in the same order. They run one after another within a step, so that each has the machine to itself
 * while its time is taken.
 */
public final class Comparison implements AutoCloseable {
    private final TrainTest data;
    private final Settings settings;
    private final List<Trainee> trainees;
    private final long orderSeed;

    private Comparison(TrainTest data, Settings settings, List<Trainee> trainees, long orderSeed) {
        this.data = data;
        this.settings = settings;
        this.trainees = trainees;
        this.orderSeed = orderSeed;
    }

    /**
     * The same network without batch norm (the first trainee) and with it (the second), from the same initial weights.
     *
     * @param batchNorm makes the library's layer for a number of features
     */
    public static Comparison withAndWithout(
            TrainTest data,
            NetworkKind network,
            Placement placement,
            OptimizerKind optimizer,
            Settings settings,
            IntFunction<BatchNorm> batchNorm) {
        Random seeds = new Random(settings.seed());
        long weightSeed = seeds.nextLong();
        long orderSeed = seeds.nextLong();
        IntFunction<BatchNormLayer> layer = features -> new BatchNormLayer(batchNorm.apply(features));
        return new Comparison(
                data,
                settings,
                List.of(
                        trainee("without", data, network, placement, optimizer, settings, Optional.empty(), weightSeed),
                        trainee("with", data, network, placement, optimizer, settings, Optional.of(layer), weightSeed)),
                orderSeed);
    }

    private static Trainee trainee(
            String name,
            TrainTest data,
            NetworkKind kind,
            Placement placement,
            OptimizerKind optimizer,
            Settings settings,
            Optional<IntFunction<BatchNormLayer>> batchNorm,
            long weightSeed) {
        Sequential network = kind.build(data.train().width(), data.train().classes(), placement, batchNorm, weightSeed);
        return new Trainee(
                name, network, optimizer.create(network.parameters(), settings.learningRate()), settings.steps());
    }

    /** The networks and what was seen of them. */
    public List<Trainee> trainees() {
        return trainees;
    }

    /**
     * Trains.
     *
     * @param listener told after every step
     */
    public void run(Listener listener) {
        int n = settings.batchSize();
        BatchOrder order = new BatchOrder(data.train().size(), n, orderSeed);
        int[] images = new int[n];
        int[] labels = new int[n];
        float[] x = new float[Math.multiplyExact(n, data.train().width())];
        for (int step = 1; step <= settings.steps(); step++) {
            order.next(images);
            for (int i = 0; i < n; i++) {
                data.train().copyRow(images[i], x, i);
                labels[i] = data.train().label(images[i]);
            }
            for (Trainee trainee : trainees) {
                trainee.step(n, x, labels);
            }
            if (step % settings.evaluateEvery() == 0 || step == settings.steps()) {
                trainees.forEach(trainee -> trainee.evaluate(data.test()));
            }
            listener.stepped(step);
        }
    }

    @Override
    public void close() {
        trainees.forEach(Trainee::close);
    }

    /** Told of the progress. */
    public interface Listener {

        /**
         * All networks have taken a step.
         *
         * @param step which one, counted from 1
         */
        void stepped(int step);
    }
}

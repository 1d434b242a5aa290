package org.batchnorm.bench.experiments.train;

import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.function.BiFunction;
import java.util.function.IntFunction;
import java.util.function.UnaryOperator;
import org.batchnorm.BatchNorm;
import org.batchnorm.BatchNormBuilder;
import org.batchnorm.bench.experiments.data.TrainTest;
import org.batchnorm.bench.experiments.network.BatchNormLayer;
import org.batchnorm.bench.experiments.network.Sequential;
import org.batchnorm.spi.Activations;
import org.batchnorm.spi.StatisticsExchange;

/**
 * Trains several networks in step, each on the same batches in the same order. They run one after another within a
 * step, so that each has the machine to itself while its time is taken.
 */
public final class Comparison implements AutoCloseable {
    private static final Part WHOLE = new Part(0, 1);

    private final TrainTest data;
    private final Settings settings;
    private final List<Trainee> trainees;
    private final Batches batches;

    private Comparison(TrainTest data, Settings settings, List<Trainee> trainees, Batches batches) {
        this.data = data;
        this.settings = settings;
        this.trainees = trainees;
        this.batches = batches;
    }

    /**
     * The same network without batch norm (the first trainee) and with it (the second), from the same initial weights.
     * Activations are layers of their own.
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
        return onHost(
                data,
                network,
                placement,
                optimizer,
                settings,
                features -> new BatchNormLayer(batchNorm.apply(features)));
    }

    /**
     * The same two networks, the second one with an activation that batch norm can do done by batch norm, in its own
     * passes over memory. What comes out is the same, but for rounding.
     *
     * @param batchNorm completes the builder of the library's layer, which has the activation already
     */
    public static Comparison fused(
            TrainTest data,
            NetworkKind network,
            Placement placement,
            OptimizerKind optimizer,
            Settings settings,
            UnaryOperator<BatchNormBuilder> batchNorm) {
        Activations fused = network.fusible(placement);
        return onHost(data, network, placement, optimizer, settings, features -> {
            BatchNormBuilder builder =
                    BatchNorm.builder(features).inputActivation(fused.input()).activation(fused.output());
            return new BatchNormLayer(batchNorm.apply(builder).build(), !fused.areNone());
        });
    }

    private static Comparison onHost(
            TrainTest data,
            NetworkKind network,
            Placement placement,
            OptimizerKind optimizer,
            Settings settings,
            IntFunction<BatchNormLayer> batchNorm) {
        return of(
                data,
                network,
                placement,
                settings,
                batchNorm,
                (name, host) -> new HostTrainee(
                        name,
                        host,
                        optimizer.rule().optimizer(host.parameters(), settings.learningRate()),
                        settings.steps()),
                WHOLE);
    }

    /**
     * The same two networks, trained by several ranks: all make the same calls, each with its part of every batch, and
     * get what one process gets, but for rounding.
     *
     * @param batchNorm makes the library's layer for a number of features, with the exchange that it is given
     * @param exchange this rank's
     */
    public static Comparison distributed(
            TrainTest data,
            NetworkKind network,
            Placement placement,
            OptimizerKind optimizer,
            Settings settings,
            BiFunction<Integer, StatisticsExchange, BatchNorm> batchNorm,
            StatisticsExchange exchange) {
        TimedExchange timed = new TimedExchange(exchange);
        return of(
                data,
                network,
                placement,
                settings,
                features -> new BatchNormLayer(batchNorm.apply(features, timed)),
                (name, host) -> new RankTrainee(
                        name,
                        host,
                        optimizer.rule().optimizer(host.parameters(), settings.learningRate()),
                        settings,
                        timed),
                new Part(exchange.rank(), exchange.size()));
    }

    /**
     * The same two networks wholly on a device.
     *
     * @param training where to
     * @param device the device's id; empty for the default
     */
    public static Comparison resident(
            TrainTest data,
            NetworkKind network,
            Placement placement,
            OptimizerKind optimizer,
            Settings settings,
            ResidentTraining training,
            Optional<String> device) {
        // The host's layer holds the configuration, and computes nothing.
        IntFunction<BatchNormLayer> layer = features ->
                new BatchNormLayer(BatchNorm.builder(features).backend("scalar").build());
        BiFunction<String, Sequential, Trainee> resident = (name, host) -> {
            boolean hasBatchNorm = host.layers().stream().anyMatch(BatchNormLayer.class::isInstance);
            try (host) {
                return new ResidentTrainee(
                        name,
                        training.open(host, data, optimizer.rule(), settings, device),
                        hasBatchNorm,
                        settings.steps());
            }
        };
        return of(data, network, placement, settings, layer, resident, WHOLE);
    }

    private static Comparison of(
            TrainTest data,
            NetworkKind kind,
            Placement placement,
            Settings settings,
            IntFunction<BatchNormLayer> batchNorm,
            BiFunction<String, Sequential, Trainee> trainee,
            Part part) {
        Random seeds = new Random(settings.seed());
        long weightSeed = seeds.nextLong();
        long orderSeed = seeds.nextLong();
        int inputs = data.train().width();
        int classes = data.train().classes();
        Batches batches = new Batches(data.train(), settings.batchSize(), orderSeed, part);
        Trainee without =
                trainee.apply("without", kind.build(inputs, classes, placement, Optional.empty(), weightSeed));
        try {
            Trainee with =
                    trainee.apply("with", kind.build(inputs, classes, placement, Optional.of(batchNorm), weightSeed));
            return new Comparison(data, settings, List.of(without, with), batches);
        } catch (RuntimeException e) {
            without.close();
            throw e;
        }
    }

    /** The networks and what was seen of them. */
    public List<Trainee> trainees() {
        return trainees;
    }

    /** The batches of {@link #run}, for tests that take the steps themselves. */
    Batches batches() {
        return batches;
    }

    /**
     * Trains; to be called once.
     *
     * @param listener told after every step
     */
    public void run(Listener listener) {
        for (int step = 1; step <= settings.steps(); step++) {
            Trainee.Batch batch = batches.next();
            for (Trainee trainee : trainees) {
                trainee.step(batch);
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

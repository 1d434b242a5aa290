package org.batchnorm.bench.experiments.train;

import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.function.BiFunction;
import java.util.function.Function;
import org.batchnorm.BatchNorm;
import org.batchnorm.BatchNormBuilder;
import org.batchnorm.bench.experiments.data.TrainTest;
import org.batchnorm.bench.experiments.network.BatchNormLayer;
import org.batchnorm.bench.experiments.network.Sequential;
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
     *
     * @param batchNorm completes the builder of the library's layer
     */
    public static Comparison withAndWithout(
            TrainTest data,
            Architecture network,
            OptimizerKind optimizer,
            Settings settings,
            Function<BatchNormBuilder, BatchNorm> batchNorm) {
        return of(
                data,
                network,
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
     * @param batchNorm completes the builder of the library's layer with the exchange that it is given
     * @param exchange this rank's
     */
    public static Comparison distributed(
            TrainTest data,
            Architecture network,
            OptimizerKind optimizer,
            Settings settings,
            BiFunction<BatchNormBuilder, StatisticsExchange, BatchNorm> batchNorm,
            StatisticsExchange exchange) {
        TimedExchange timed = new TimedExchange(exchange);
        return of(
                data,
                network.withoutFusedOutput(),
                settings,
                builder -> batchNorm.apply(builder, timed),
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
            Architecture network,
            OptimizerKind optimizer,
            Settings settings,
            ResidentTraining training,
            Optional<String> device) {
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
        // The host's layer holds the configuration, and computes nothing.
        return of(data, network, settings, builder -> builder.backend("scalar").build(), resident, WHOLE);
    }

    private static Comparison of(
            TrainTest data,
            Architecture network,
            Settings settings,
            Function<BatchNormBuilder, BatchNorm> batchNorm,
            BiFunction<String, Sequential, Trainee> trainee,
            Part part) {
        Random seeds = new Random(settings.seed());
        long weightSeed = seeds.nextLong();
        long orderSeed = seeds.nextLong();
        int inputs = data.train().width();
        int classes = data.train().classes();
        Batches batches = new Batches(data.train(), settings.batchSize(), orderSeed, part);
        Trainee without = trainee.apply("without", network.build(inputs, classes, Optional.empty(), weightSeed));
        try {
            Trainee with = trainee.apply("with", network.build(inputs, classes, Optional.of(batchNorm), weightSeed));
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

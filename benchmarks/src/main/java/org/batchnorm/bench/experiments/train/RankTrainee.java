package org.batchnorm.bench.experiments.train;

import java.util.List;
import org.batchnorm.bench.experiments.data.Dataset;
import org.batchnorm.bench.experiments.network.Optimizer;
import org.batchnorm.bench.experiments.network.Parameter;
import org.batchnorm.bench.experiments.network.Sequential;
import org.batchnorm.bench.experiments.network.SoftmaxCrossEntropy;

/**
 * A network that several ranks train as one process would with the whole batches: each has a copy of it and a part of
 * every batch. Batch norm takes the statistics of the whole batch, the loss is divided by the whole batch's rows, and
 * the gradients are added up over the ranks. So every rank takes the same step, with the same bits.
 */
final class RankTrainee extends NetworkTrainee {
    private final TimedExchange exchange;
    private final int batchSize;
    private final List<Parameter> parameters;
    private final float[] packed;

    /**
     * A network about to be trained; it starts from rank 0's parameters.
     *
     * @param network closed with this trainee; its batch norm takes its statistics through the exchange
     * @param optimizer of the network's parameters
     * @param settings the same on every rank
     */
    RankTrainee(String name, Sequential network, Optimizer optimizer, Settings settings, TimedExchange exchange) {
        super(name, network, optimizer, settings.steps());
        this.exchange = exchange;
        this.batchSize = settings.batchSize();
        this.parameters = network.parameters();
        this.packed =
                new float[parameters.stream().mapToInt(p -> p.value().length).sum()];
        startFromRankZero();
    }

    private void startFromRankZero() {
        if (exchange.rank() == 0) {
            pack(parameters.stream().map(Parameter::value).toList());
        }
        exchange.allReduce(packed);
        unpack(parameters.stream().map(Parameter::value).toList());
    }

    /**
     * One step of training.
     *
     * @param batch this rank's part of it
     */
    @Override
    public void step(Batch batch) {
        long betweenBefore = betweenLinearNanos();
        long exchangeBefore = exchange.nanos();
        long start = System.nanoTime();
        double lossSum = classifier.gradientsOfPart(batch.x(), batch.labels(), batchSize);
        addUpGradients();
        optimizer.step();
        double loss = addUp(lossSum)[0] / batchSize;
        curve().addStep(
                        loss,
                        System.nanoTime() - start,
                        betweenLinearNanos() - betweenBefore,
                        exchange.nanos() - exchangeBefore);
    }

    /** All in one exchange: each takes as long for a few values as for thousands. */
    private void addUpGradients() {
        List<float[]> gradients = parameters.stream().map(Parameter::gradient).toList();
        pack(gradients);
        exchange.allReduce(packed);
        unpack(gradients);
    }

    private void pack(List<float[]> arrays) {
        int start = 0;
        for (float[] array : arrays) {
            System.arraycopy(array, 0, packed, start, array.length);
            start += array.length;
        }
    }

    private void unpack(List<float[]> arrays) {
        int start = 0;
        for (float[] array : arrays) {
            System.arraycopy(packed, start, array, 0, array.length);
            start += array.length;
        }
    }

    /** The sums of values over the ranks. */
    private double[] addUp(double... values) {
        double[] all = new double[exchange.size() * values.length];
        exchange.allGather(values, all);
        double[] sums = new double[values.length];
        for (int i = 0; i < all.length; i++) {
            sums[i % sums.length] += all[i];
        }
        return sums;
    }

    /** Looks at this rank's part of the test images, and adds up what the ranks saw. */
    @Override
    public void evaluate(Dataset test) {
        Part part = new Part(exchange.rank(), exchange.size());
        SoftmaxCrossEntropy.Score score = classifier.sums(test.range(part.start(test.size()), part.end(test.size())));
        double[] sums = addUp(score.lossSum(), score.correct());
        curve().addEvaluation(sums[0] / test.size(), sums[1] / test.size());
    }
}

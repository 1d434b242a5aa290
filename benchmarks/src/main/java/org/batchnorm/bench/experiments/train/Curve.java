package org.batchnorm.bench.experiments.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.OptionalInt;

/**
 * What was seen of one network while it trained: the loss of every batch, the evaluations on the test images, and the
 * time each step took.
 */
public final class Curve {
    private final double[] trainingLoss;
    private final long[] stepNanos;
    private final long[] betweenLinearNanos;
    private final long[] exchangeNanos;
    private final List<Evaluation> evaluations = new ArrayList<>();
    private int steps;
    private int lossesKnown;

    Curve(int steps) {
        trainingLoss = new double[steps];
        stepNanos = new long[steps];
        betweenLinearNanos = new long[steps];
        exchangeNanos = new long[steps];
    }

    /** A step with the time in batch norm and activations, between the linear layers. */
    void addStep(double loss, long nanos, long nanosBetweenLinear) {
        trainingLoss[steps] = loss;
        stepNanos[steps] = nanos;
        betweenLinearNanos[steps] = nanosBetweenLinear;
        steps++;
        lossesKnown = steps;
    }

    /** A step of several ranks, with the time in which this one exchanged values with the others. */
    void addStep(double loss, long nanos, long nanosBetweenLinear, long nanosInExchange) {
        exchangeNanos[steps] = nanosInExchange;
        addStep(loss, nanos, nanosBetweenLinear);
    }

    /** A step whose loss is not known yet. */
    void addStep(long nanos) {
        stepNanos[steps] = nanos;
        steps++;
    }

    /** The losses of all steps so far. */
    void setTrainingLosses(float[] losses) {
        for (int i = 0; i < losses.length; i++) {
            trainingLoss[i] = losses[i];
        }
        lossesKnown = losses.length;
    }

    void addEvaluation(double testLoss, double testAccuracy) {
        evaluations.add(new Evaluation(steps, testLoss, testAccuracy));
    }

    /** The steps taken. */
    public int steps() {
        return steps;
    }

    /**
     * The mean loss of the batch of one step, before that step moved the parameters.
     *
     * @param step counted from 1
     */
    public double trainingLoss(int step) {
        return trainingLoss[step - 1];
    }

    /** The training loss of the latest step whose loss is known; NaN before there is one. */
    public double latestTrainingLoss() {
        return lossesKnown == 0 ? Double.NaN : trainingLoss[lossesKnown - 1];
    }

    /** The mean of the training loss over the steps in (after, upTo]. */
    public double meanTrainingLoss(int after, int upTo) {
        return Arrays.stream(trainingLoss, after, upTo).average().orElse(Double.NaN);
    }

    /** The evaluations, in the order of their steps. */
    public List<Evaluation> evaluations() {
        return Collections.unmodifiableList(evaluations);
    }

    /** The latest evaluation. */
    public Evaluation lastEvaluation() {
        return evaluations.getLast();
    }

    /** The best test accuracy seen. */
    public double bestAccuracy() {
        return Collections.max(evaluations, Comparator.comparingDouble(Evaluation::testAccuracy))
                .testAccuracy();
    }

    /** The step of the first evaluation of at least the given test accuracy; empty if there is none. */
    public OptionalInt stepsTo(double accuracy) {
        return evaluations.stream()
                .filter(evaluation -> evaluation.testAccuracy() >= accuracy)
                .mapToInt(Evaluation::step)
                .findFirst();
    }

    /**
     * The median time of the second half of the steps, evaluations apart: in the first half the just-in-time compiler
     * was at work.
     */
    public long medianStepNanos() {
        return median(stepNanos);
    }

    /** The median time that a step of the second half spent in batch norm and activations. */
    public long medianBetweenLinearNanos() {
        return median(betweenLinearNanos);
    }

    /** The median time that a step of the second half waited for values of other ranks; 0 where there are none. */
    public long medianExchangeNanos() {
        return median(exchangeNanos);
    }

    private long median(long[] nanos) {
        long[] sorted = Arrays.copyOfRange(nanos, steps / 2, steps);
        Arrays.sort(sorted);
        return sorted[sorted.length / 2];
    }

    /**
     * One look at the test images.
     *
     * @param step after how many steps
     * @param testLoss the mean loss
     * @param testAccuracy the share of images classified correctly, within [0, 1]
     */
    public record Evaluation(int step, double testLoss, double testAccuracy) {}
}

package org.batchnorm.bench.experiments.papers;

import java.util.List;
import java.util.function.IntFunction;
import java.util.stream.IntStream;
import org.batchnorm.bench.experiments.data.Dataset;
import org.batchnorm.bench.experiments.network.Layer;
import org.batchnorm.bench.experiments.network.Optimizer;
import org.batchnorm.bench.experiments.network.Parameter;
import org.batchnorm.bench.experiments.network.Sequential;
import org.batchnorm.bench.experiments.network.Sgd;
import org.batchnorm.bench.experiments.network.Sigmoid;
import org.batchnorm.bench.experiments.network.Standardization;
import org.batchnorm.bench.experiments.train.Classifier;
import org.knowm.xchart.style.Styler.LegendPosition;

/** Ioffe and Szegedy 2015, section 2: normalization must be part of the gradient, and full whitening is dear. */
final class InsideTheGradient implements Experiment {
    static final String BIAS_OUTSIDE = "bias alone: mean outside";
    static final String BIAS_INSIDE = "bias alone: batch norm";
    static final String OUTSIDE = "all trained: mean outside";
    static final String VARIANCE_OUTSIDE = "all trained: mean and variance outside";
    static final String INSIDE = "all trained: batch norm";
    static final String COST = WhiteningCost.VARIANT;
    static final String BIAS = "mean of |b|";
    static final String LOSS = "training loss";
    static final String OUTPUT_CHANGE = "largest change of the normalized output since the start";

    private static final int IMAGES = 500;
    private static final double RATE = 1;

    @Override
    public String name() {
        return "whitening";
    }

    @Override
    public String question() {
        return "What happens if the normalization is left out of the gradient, and why is it not a full whitening (Ioffe and"
                + " Szegedy 2015, section 2)?";
    }

    @Override
    public List<String> variants(Setting setting) {
        return List.of(BIAS_OUTSIDE, BIAS_INSIDE, OUTSIDE, VARIANCE_OUTSIDE, INSIDE, COST);
    }

    private static int steps(Setting setting) {
        return setting.scale().of(1_000, 200, 30);
    }

    @Override
    public long work(Setting setting, String variant) {
        return variant.equals(COST) ? 10 : steps(setting);
    }

    @Override
    public void run(Trial trial) {
        if (trial.variant().equals(COST)) {
            WhiteningCost.measure(trial);
            trial.worked(10);
        } else {
            train(trial);
        }
    }

    /** Full gradients over the same images each time: what moves is no noise. */
    private static void train(Trial trial) {
        Dataset images = trial.setting().data().train().first(IMAGES);
        int n = images.size();
        float[] x = new float[n * images.width()];
        int[] labels = new int[n];
        images.copyRows(IntStream.range(0, n).toArray(), x, labels);
        boolean biasAlone = trial.variant().startsWith("bias");
        int last = steps(trial.setting());
        try (Classifier classifier = new Classifier(network(trial))) {
            Parameter bias =
                    classifier.network().layers().getFirst().parameters().getLast();
            Optimizer optimizer =
                    new Sgd(biasAlone ? List.of(bias) : classifier.network().parameters(), RATE, 0);
            float[] start = {};
            for (int step = 0; step <= last; step++) {
                double loss = classifier.gradients(x, labels);
                float[] normalized = classifier.activations(n).output(1);
                if (step == 0) {
                    start = normalized.clone();
                }
                if (step % (last / 10) == 0) {
                    trial.record(LOSS, step, loss);
                    trial.record(BIAS, step, meanMagnitude(bias.value()));
                    if (biasAlone) {
                        trial.record(OUTPUT_CHANGE, step, largestDifference(start, normalized));
                    }
                }
                optimizer.step();
                trial.worked(step < last ? 1 : 0);
            }
        }
    }

    private static Sequential network(Trial trial) {
        IntFunction<Layer> norm = switch (trial.variant()) {
            case BIAS_OUTSIDE, OUTSIDE -> width -> new Standardization(width, false);
            case VARIANCE_OUTSIDE -> width -> new Standardization(width, true);
            default -> trial.setting()::batchNorm;
        };
        return new NetworkBuilder(trial.setting().inputs(), trial.weights())
                .glorot(Networks.WIDTH)
                .add(norm)
                .add(Sigmoid::new)
                .linear(trial.setting().classes(), 1)
                .build();
    }

    private static double meanMagnitude(float[] values) {
        double sum = 0;
        for (float value : values) {
            sum += Math.abs(value);
        }
        return sum / values.length;
    }

    private static double largestDifference(float[] a, float[] b) {
        double largest = 0;
        for (int i = 0; i < a.length; i++) {
            largest = Math.max(largest, Math.abs(a[i] - b[i]));
        }
        return largest;
    }

    @Override
    public void describe(Setting setting, Table table, Page page) {
        Series outside = table.series(BIAS, BIAS_OUTSIDE);
        Series inside = table.series(BIAS, BIAS_INSIDE);
        Series loss = table.series(LOSS, BIAS_OUTSIDE);
        Series change = table.series(OUTPUT_CHANGE, BIAS_OUTSIDE);
        double end = outside.last();
        double half = end / 2;
        page.finding(
                        "With the mean outside the gradient the bias grows to %.2f in %.0f steps, and the loss moves by %.0e",
                        outside.mean(end), end, Math.abs(loss.mean(end) - loss.mean(0)))
                .protocol(
                        "One hidden layer: linear (%d, weights of Glorot and Bengio 2010, bias b), normalization, sigmoid,"
                                + " linear with weights N(0, 1); %d images, their whole gradient in every step, learning"
                                + " rate %.0f. \"Bias alone\": only b is trained, as the paper argues. \"Outside\": the batch's"
                                + " mean (and variance) taken for constants in the gradient. Full whitening: Cholesky factor"
                                + " of the covariance, forward and backward, batches of %d rows; batch norm counts %d"
                                + " multiplications a value.",
                        Networks.WIDTH,
                        Math.min(IMAGES, setting.data().train().size()),
                        RATE,
                        WhiteningCost.ROWS,
                        WhiteningCost.OF_BATCH_NORM)
                .claim(
                        "With the mean outside the gradient, b grows indefinitely while output and loss remain fixed.",
                        grows(outside, half, end) && change.max(end) < 1e-3,
                        "mean |b| %s after %.0f steps, %s after %.0f; the normalized output has changed by"
                                + " %.0e at most, which is the rounding of so large numbers.",
                        Page.meanAndRange(outside, half, 3),
                        half,
                        Page.meanAndRange(outside, end, 3),
                        end,
                        change.max(end))
                .claim(
                        "Inside the gradient it does not.",
                        inside.max(end) < outside.min(end) / 1000,
                        "with batch norm mean |b| is %.0e at most after %.0f steps.",
                        inside.max(end),
                        end);
        describeAllTrained(table, page);
        page.chart(biasChart(
                        table, "Only b trained: outside the gradient it runs away", List.of(BIAS_OUTSIDE, BIAS_INSIDE)))
                .chart(biasChart(
                        table,
                        "All parameters trained: b moves, and stops",
                        List.of(OUTSIDE, VARIANCE_OUTSIDE, INSIDE)));
        WhiteningCost.describe(table, page);
    }

    private static void describeAllTrained(Table table, Page page) {
        Series outside = table.series(BIAS, OUTSIDE);
        double end = outside.last();
        double half = end / 2;
        page.claim(
                "The model blows up where all its parameters are trained, too.",
                grows(outside, half, end),
                "b moves in the first steps, and then only while the loss still falls: mean |b| %s after %.0f steps"
                        + " and %s after %.0f with the mean outside, %s with mean and variance outside, %s with"
                        + " batch norm; the loss is %s, %s and %s.",
                Page.meanAndRange(outside, half, 3),
                half,
                Page.meanAndRange(outside, end, 3),
                end,
                Page.meanAndRange(table.series(BIAS, VARIANCE_OUTSIDE), end, 3),
                Page.meanAndRange(table.series(BIAS, INSIDE), end, 3),
                Page.meanAndRange(table.series(LOSS, OUTSIDE), end, 4),
                Page.meanAndRange(table.series(LOSS, VARIANCE_OUTSIDE), end, 4),
                Page.meanAndRange(table.series(LOSS, INSIDE), end, 4));
    }

    private static boolean grows(Series bias, double half, double end) {
        return bias.times(1.5).valuesAt(half).isBelow(bias.valuesAt(end), 0);
    }

    private static LineChart biasChart(Table table, String title, List<String> variants) {
        LineChart chart = new LineChart(title, "steps", BIAS).legend(LegendPosition.OutsideS);
        variants.forEach(
                variant -> chart.line(variant.substring(variant.indexOf(':') + 2), table.series(BIAS, variant)));
        return chart;
    }
}

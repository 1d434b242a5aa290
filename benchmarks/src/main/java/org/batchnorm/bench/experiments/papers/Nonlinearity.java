package org.batchnorm.bench.experiments.papers;

import java.util.List;
import org.batchnorm.bench.experiments.data.Dataset;
import org.batchnorm.bench.experiments.network.BatchNormLayer;
import org.batchnorm.bench.experiments.train.Classifier;
import org.knowm.xchart.style.Styler.LegendPosition;

/** Ioffe and Szegedy 2015, section 3: γ and β let a sigmoid leave its linear regime. */
final class Nonlinearity implements Experiment {
    static final String AFFINE = "with γ and β";
    static final String PLAIN = "normalized only";
    static final String ACCURACY = "test accuracy in %";
    static final String BEYOND = "sigmoid inputs beyond ±2 in %";
    static final String BENT = "sigmoid output that no line explains in %";
    static final String HISTOGRAM = "sigmoid inputs in % a bin";
    static final String GAMMA = "mean of γ";
    static final String BETA = "mean of |β|";

    private static final int BATCH_SIZE = 60;
    private static final double LEARNING_RATE = 0.1;
    private static final int LOOKED_AT = 1000;
    private static final int FROM_THE_END = 3;
    private static final double BIN = 0.25;
    private static final double WIDEST = 5;

    @Override
    public String name() {
        return "nonlinearity";
    }

    @Override
    public String question() {
        return "Do normalized inputs keep a sigmoid in its linear regime, and do γ and β take it out of there (Ioffe and"
                + " Szegedy 2015, section 3)?";
    }

    @Override
    public List<String> variants(Setting setting) {
        return List.of(AFFINE, PLAIN);
    }

    @Override
    public long work(Setting setting, String variant) {
        return setting.scale().of(10_000, 2_000, 200);
    }

    @Override
    public void run(Trial trial) {
        Setting setting = trial.setting();
        boolean affine = trial.variant().equals(AFFINE);
        int last = (int) work(setting, trial.variant());
        Dataset images = setting.data().test().first(LOOKED_AT);
        try (Classifier classifier = new Classifier(Networks.sigmoids(
                trial,
                features -> new BatchNormLayer(
                        setting.builder().apply(features).affine(affine).build())))) {
            int layer = classifier.network().layers().size() - FROM_THE_END;
            BatchNormLayer batchNorm =
                    (BatchNormLayer) classifier.network().layers().get(layer);
            Training.plainSgd(trial, classifier, LEARNING_RATE, BATCH_SIZE).run(Steps.few(10, last), step -> {
                trial.record(
                        ACCURACY,
                        step,
                        100 * classifier.score(setting.data().test()).accuracy());
                float[] inputs = classifier.outputs(images, layer).clone();
                trial.record(BEYOND, step, 100 * share(inputs, -2, 2));
                trial.record(BENT, step, 100 * unexplainedByALine(inputs));
                if (affine) {
                    trial.record(
                            GAMMA, step, meanMagnitude(batchNorm.batchNorm().weight()));
                    trial.record(BETA, step, meanMagnitude(batchNorm.batchNorm().bias()));
                }
                if (step == last) {
                    recordHistogram(trial, inputs);
                }
            });
        }
    }

    /** The share of the values outside of [low, high). */
    private static double share(float[] values, double low, double high) {
        int outside = 0;
        for (float value : values) {
            outside += value < low || value >= high ? 1 : 0;
        }
        return (double) outside / values.length;
    }

    /**
     * What remains of the variance of sigmoid(x) after the best line in x, as a share: 0 where the sigmoid is linear.
     */
    static double unexplainedByALine(float[] x) {
        double n = x.length;
        double sx = 0;
        double sy = 0;
        double sxx = 0;
        double syy = 0;
        double sxy = 0;
        for (float value : x) {
            double y = 1 / (1 + StrictMath.exp(-value));
            sx += value;
            sy += y;
            sxx += (double) value * value;
            syy += y * y;
            sxy += value * y;
        }
        double covariance = sxy - sx * sy / n;
        return 1 - covariance * covariance / ((sxx - sx * sx / n) * (syy - sy * sy / n));
    }

    private static double meanMagnitude(float[] values) {
        double sum = 0;
        for (float value : values) {
            sum += Math.abs(value);
        }
        return sum / values.length;
    }

    private static void recordHistogram(Trial trial, float[] inputs) {
        for (double centre = -WIDEST; centre <= WIDEST; centre += BIN) {
            double inside = 1 - share(inputs, centre - BIN / 2, centre + BIN / 2);
            trial.record(HISTOGRAM, centre, 100 * inside);
        }
    }

    @Override
    public void describe(Setting setting, Table table, Page page) {
        Series affine = table.series(BENT, AFFINE);
        Series plain = table.series(BENT, PLAIN);
        double end = affine.last();
        Series gamma = table.series(GAMMA, AFFINE);
        page.finding(
                        "With γ and β %.1f %% of a sigmoid's output is no line of its input, with normalization alone %.1f %%",
                        affine.mean(end), plain.mean(end))
                .protocol(
                        "Three sigmoid layers of %d with batch norm, weights N(0, 0.1²), plain SGD, learning rate %.1f,"
                                + " batches of %d, %.0f steps. Looked at: the inputs of the sigmoids of the last hidden"
                                + " layer for the first %d test images, with running averages. \"No line\": the variance"
                                + " of the outputs that the best line in the inputs leaves.",
                        Networks.WIDTH, LEARNING_RATE, BATCH_SIZE, end, LOOKED_AT)
                .claim(
                        "Normalized inputs constrain a sigmoid to its linear regime.",
                        plain.isBelow(affine, end),
                        "after %.0f steps %s %% of its output is no line of its input and %s %% of the inputs lie beyond"
                                + " ±2; with γ and β %s %% and %s %%.",
                        end,
                        Page.meanAndRange(plain, end),
                        Page.meanAndRange(table.series(BEYOND, PLAIN), end),
                        Page.meanAndRange(affine, end),
                        Page.meanAndRange(table.series(BEYOND, AFFINE), end))
                .note(
                        "γ starts at 1 and ends at %s on average, |β| at %s. The accuracy is %s %% with them, %s %% without.",
                        Page.meanAndRange(gamma, end),
                        Page.meanAndRange(table.series(BETA, AFFINE), end),
                        Page.meanAndRange(table.series(ACCURACY, AFFINE), end),
                        Page.meanAndRange(table.series(ACCURACY, PLAIN), end));
        addCharts(table, page);
    }

    private static void addCharts(Table table, Page page) {
        Series gamma = table.series(GAMMA, AFFINE);
        double end = gamma.last();
        page.chart(new LineChart("γ and β widen what the sigmoids get", "input of the sigmoids", HISTOGRAM)
                        .legend(LegendPosition.InsideNE)
                        .line(AFFINE, table.series(HISTOGRAM, AFFINE))
                        .line(PLAIN, table.series(HISTOGRAM, PLAIN)))
                .chart(new LineChart("Training with γ and β leaves the linear regime", "steps", BENT)
                        .logarithmicX()
                        .legend(LegendPosition.InsideNW)
                        .line(AFFINE, table.series(BENT, AFFINE))
                        .line(PLAIN, table.series(BENT, PLAIN)))
                .chart(new LineChart(
                                Page.format(
                                        "γ grows from 1 to %.2f, |β| from 0 to %.2f",
                                        gamma.mean(end),
                                        table.series(BETA, AFFINE).mean(end)),
                                "steps",
                                "mean over the layer")
                        .logarithmicX()
                        .legend(LegendPosition.OutsideE)
                        .line("γ", gamma)
                        .line("|β|", table.series(BETA, AFFINE)))
                .chart(new LineChart(
                                Page.format(
                                        "%.1f %% are right with γ and β, %.1f %% with normalization alone",
                                        table.series(ACCURACY, AFFINE).mean(end),
                                        table.series(ACCURACY, PLAIN).mean(end)),
                                "steps",
                                ACCURACY)
                        .logarithmicX()
                        .line(AFFINE, table.series(ACCURACY, AFFINE))
                        .line(PLAIN, table.series(ACCURACY, PLAIN)));
    }
}

package org.batchnorm.bench.experiments.papers;

import java.util.ArrayList;
import java.util.List;
import java.util.random.RandomGenerator;
import org.batchnorm.BatchNorm;
import org.batchnorm.bench.experiments.network.Linear;
import org.batchnorm.bench.experiments.network.Parameter;
import org.batchnorm.bench.experiments.network.Sequential;
import org.batchnorm.bench.experiments.train.Classifier;
import org.batchnorm.data.BatchShape;
import org.knowm.xchart.style.Styler.LegendPosition;

/** Ioffe and Szegedy 2015, sections 3.3 and 4.2.2: learning rates, and the scale of the weights. */
final class LearningRate implements Experiment {
    static final String WITH = "with batch norm";
    static final String WITHOUT = "without";
    static final String ACCURACY = "test accuracy in %";
    static final String SCALED = "eps scaled with a²";
    static final String USUAL = "eps 1e-5";
    static final String OUTPUT_CHANGE = "largest change of the output";
    static final String GRADIENT_CHANGE = "largest change of a times the gradient";

    private static final List<Double> RATES = List.of(0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0);
    private static final List<Double> BRIEF_RATES = List.of(0.02, 0.2, 2.0);
    private static final int BATCH_SIZE = 60;
    private static final double USABLE = 3;
    private static final int LARGEST_EXPONENT = 12;

    @Override
    public String name() {
        return "learning-rate";
    }

    @Override
    public String question() {
        return "Does batch norm allow higher learning rates, and does the scale of the weights lose its influence (Ioffe"
                + " and Szegedy 2015, sections 3.3 and 4.2.2)?";
    }

    @Override
    public List<String> variants(Setting setting) {
        return List.of(WITH, WITHOUT, SCALED, USUAL);
    }

    @Override
    public long work(Setting setting, String variant) {
        return isTraining(variant) ? (long) rates(setting).size() * steps(setting) : 1;
    }

    private static boolean isTraining(String variant) {
        return variant.equals(WITH) || variant.equals(WITHOUT);
    }

    private static List<Double> rates(Setting setting) {
        return setting.scale() == Scale.BRIEF ? BRIEF_RATES : RATES;
    }

    private static int steps(Setting setting) {
        return setting.scale().of(2_000, 300, 150);
    }

    @Override
    public void run(Trial trial) {
        if (isTraining(trial.variant())) {
            rates(trial.setting()).forEach(rate -> train(trial, rate));
        } else {
            for (int exponent = -LARGEST_EXPONENT; exponent <= LARGEST_EXPONENT; exponent += 2) {
                scale(trial, exponent);
            }
            trial.worked(1);
        }
    }

    private static void train(Trial trial, double rate) {
        Setting setting = trial.setting();
        Sequential network = Networks.rectifiers(trial, 3, trial.variant().equals(WITH) ? setting::batchNorm : null);
        try (Classifier classifier = new Classifier(network)) {
            int last = steps(setting);
            Training.plainSgd(trial, classifier, rate, BATCH_SIZE)
                    .run(
                            Steps.of(last),
                            step -> trial.record(
                                    ACCURACY,
                                    rate,
                                    100
                                            * classifier
                                                    .score(setting.data().test())
                                                    .accuracy()));
        }
    }

    /** Compares BN(x·W) with BN(x·aW), and a times the gradient of aW with that of W, a a power of two. */
    private static void scale(Trial trial, int exponent) {
        double a = StrictMath.scalb(1.0, exponent);
        double eps = trial.variant().equals(SCALED) ? 1e-5 * a * a : 1e-5;
        Normalized original = normalized(trial, 1, 1e-5);
        Normalized scaled = normalized(trial, a, eps);
        trial.record(OUTPUT_CHANGE, a, largestChange(original.output, scaled.output, 1));
        trial.record(GRADIENT_CHANGE, a, largestChange(original.gradient, scaled.gradient, a));
    }

    /** Batch norm of x·aW for fixed x and W, and the gradient with respect to aW for a fixed one of the output. */
    private static Normalized normalized(Trial trial, double a, double eps) {
        int n = BATCH_SIZE;
        int c = Networks.WIDTH;
        RandomGenerator random = trial.weights();
        Linear linear = new Linear(c, c, 0.1, random);
        Parameter weight = linear.parameters().getFirst();
        for (int i = 0; i < weight.value().length; i++) {
            weight.value()[i] *= (float) a;
        }
        float[] x = gaussian(n * c, random);
        float[] dy = gaussian(n * c, random);
        float[] u = new float[n * c];
        float[] y = new float[n * c];
        linear.forward(n, x, u, true);
        try (BatchNorm batchNorm = trial.setting().builder().apply(c).eps(eps).build()) {
            BatchShape shape = BatchShape.of(n, c);
            batchNorm.forward(u, y, shape);
            batchNorm.backward(u, dy, dy, shape);
        }
        linear.backward(n, x, u, dy, null);
        return new Normalized(y, weight.gradient());
    }

    @SuppressWarnings("ArrayRecordComponent") // Two results on their way, compared by nobody.
    private record Normalized(float[] output, float[] gradient) {}

    private static float[] gaussian(int length, RandomGenerator random) {
        float[] values = new float[length];
        for (int i = 0; i < length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }

    /** The largest difference by the largest value. */
    private static double largestChange(float[] original, float[] other, double factor) {
        double change = 0;
        double largest = 0;
        for (int i = 0; i < original.length; i++) {
            change = Math.max(change, Math.abs(factor * other[i] - original[i]));
            largest = Math.max(largest, Math.abs(original[i]));
        }
        return change / largest;
    }

    @Override
    public void describe(Setting setting, Table table, Page page) {
        Series with = table.series(ACCURACY, WITH);
        Series without = table.series(ACCURACY, WITHOUT);
        List<Double> usableWith = usable(with);
        List<Double> usableWithout = usable(without);
        Series scaled = table.series(OUTPUT_CHANGE, SCALED);
        Series scaledGradient = table.series(GRADIENT_CHANGE, SCALED);
        Series usual = table.series(OUTPUT_CHANGE, USUAL);
        double a = StrictMath.scalb(1.0, -4);
        page.finding("Usable learning rates: %s with batch norm, %s without", range(usableWith), range(usableWithout))
                .protocol(
                        "Three rectifier layers (LeakyReLU 0.01) of %d, weights of He et al. 2015, plain SGD, batches of"
                                + " %d, %d steps at each rate; batch norm before the rectifier. Usable: every seed ends"
                                + " within %.0f points of the network's best mean. Scale: BN(x·aW) for a batch of %d and a"
                                + " Gaussian W of %d × %d against a = 1, largest difference by largest value; the"
                                + " gradient by aW times a.",
                        Networks.WIDTH, BATCH_SIZE, steps(setting), USABLE, BATCH_SIZE, Networks.WIDTH, Networks.WIDTH)
                .claim(
                        "Batch norm enables higher learning rates.",
                        highest(usableWith) > highest(usableWithout),
                        "usable up to %.2g with, up to %.2g without.",
                        highest(usableWith),
                        highest(usableWithout))
                .claim(
                        "BN(Wu) = BN((aW)u), and the gradient by aW is 1/a of that by W.",
                        greatest(scaled) < 1e-5 && greatest(scaledGradient) < 1e-5,
                        "with eps scaled by a², a a power of two from 2^-%d to 2^%d, the output changes by %.1e at most,"
                                + " a times the gradient by %.1e.",
                        LARGEST_EXPONENT,
                        LARGEST_EXPONENT,
                        greatest(scaled),
                        greatest(scaledGradient))
                .note(
                        "With the usual eps of 1e-5 small weights feel it: at a = 2^-4 the output changes by %.1e, at a ="
                                + " 2^-%d by %.2g of its largest value.",
                        usual.max(a), LARGEST_EXPONENT, usual.max(StrictMath.scalb(1.0, -LARGEST_EXPONENT)))
                .chart(new LineChart("Batch norm learns at higher rates", "learning rate", ACCURACY)
                        .logarithmicX()
                        .legend(LegendPosition.InsideSW)
                        .line(WITH, with)
                        .line(WITHOUT, without))
                .chart(new LineChart(
                                "The scale of the weights has no influence but through eps",
                                "factor a of the weights",
                                "largest relative change")
                        .logarithmicX()
                        .logarithmicY()
                        .legend(LegendPosition.InsideNE)
                        .line("output, " + USUAL, usual)
                        .line("a · gradient, " + USUAL, table.series(GRADIENT_CHANGE, USUAL)));
    }

    /** The widest run of neighbouring rates at which all seeds come close to the best mean. */
    static List<Double> usable(Series accuracy) {
        double best = accuracy.xs().stream().mapToDouble(accuracy::mean).max().orElseThrow();
        List<Double> widest = List.of();
        List<Double> current = new ArrayList<>();
        for (double rate : accuracy.xs()) {
            if (accuracy.min(rate) >= best - USABLE) {
                current.add(rate);
            } else {
                current = new ArrayList<>();
            }
            if (current.size() > widest.size()) {
                widest = List.copyOf(current);
            }
        }
        return widest;
    }

    private static String range(List<Double> rates) {
        return rates.isEmpty() ? "none" : rates.getFirst() + " to " + rates.getLast();
    }

    private static double highest(List<Double> rates) {
        return rates.isEmpty() ? 0 : rates.getLast();
    }

    private static double greatest(Series series) {
        return series.xs().stream().mapToDouble(series::max).max().orElseThrow();
    }
}

package org.batchnorm.bench.experiments.papers;

import java.util.List;
import java.util.random.RandomGenerator;
import org.batchnorm.BatchNorm;
import org.batchnorm.data.BatchShape;
import org.knowm.xchart.style.Styler.LegendPosition;

/**
 * What full whitening costs beside batch norm: multiplications, which are counted, and times, which are this machine's.
 */
final class WhiteningCost {
    static final String VARIANT = "cost";
    static final String WHITENING = "multiplications of full whitening";
    static final String BATCH_NORM = "multiplications of batch norm";
    static final int ROWS = 256;

    /** Multiplications a value. Forward: square, scale. Backward: two for the sums with dy, two for dx. */
    static final int OF_BATCH_NORM = 6;

    private static final List<Integer> FEATURES = List.of(10, 20, 50, 100, 200);
    private static final List<Integer> BRIEF_FEATURES = List.of(10, 100);
    private static final int REPEATS = 5;

    private WhiteningCost() {}

    static void measure(Trial trial) {
        List<Integer> all = trial.setting().scale() == Scale.BRIEF ? BRIEF_FEATURES : FEATURES;
        all.forEach(features -> measure(trial, features));
    }

    private static void measure(Trial trial, int features) {
        RandomGenerator random = trial.weights();
        double[][] x = new double[ROWS][features];
        float[] flat = new float[ROWS * features];
        for (int i = 0; i < flat.length; i++) {
            flat[i] = (float) random.nextGaussian();
            x[i / features][i % features] = flat[i];
        }
        Whitening whitening = new Whitening(ROWS, features);
        whitening.forward(x);
        whitening.backward(x);
        trial.record(WHITENING, features, (double) whitening.multiplications());
        trial.record(BATCH_NORM, features, (double) OF_BATCH_NORM * ROWS * features);
        BatchShape shape = BatchShape.of(ROWS, features);
        float[] y = new float[flat.length];
        try (BatchNorm batchNorm = trial.setting().builder().apply(features).build()) {
            trial.recordTime("milliseconds of batch norm", features, bestMillis(() -> {
                batchNorm.forward(flat, y, shape);
                batchNorm.backward(flat, flat, y, shape);
            }));
        }
        trial.recordTime("milliseconds of full whitening", features, bestMillis(() -> {
            whitening.forward(x);
            whitening.backward(x);
        }));
    }

    private static double bestMillis(Runnable task) {
        long best = Long.MAX_VALUE;
        for (int i = 0; i < REPEATS; i++) {
            long start = System.nanoTime();
            task.run();
            best = Math.min(best, System.nanoTime() - start);
        }
        return best / 1e6;
    }

    static void describe(Table table, Page page) {
        Series whitening = table.series(WHITENING, VARIANT);
        Series batchNorm = table.series(BATCH_NORM, VARIANT);
        double few = whitening.xs().first();
        double many = whitening.last();
        page.claim(
                        "Full whitening is expensive.",
                        batchNorm.times(10).isBelow(whitening, many),
                        "for %.0f features %.0f times the multiplications of batch norm, for %.0f %.0f times.",
                        few,
                        whitening.mean(few) / batchNorm.mean(few),
                        many,
                        whitening.mean(many) / batchNorm.mean(many))
                .chart(new LineChart(
                                "Full whitening costs the square of the features",
                                "features",
                                "multiplications a batch")
                        .logarithmicX()
                        .logarithmicY()
                        .legend(LegendPosition.InsideNW)
                        .line("full whitening", whitening)
                        .line("batch norm", batchNorm));
    }
}

package org.batchnorm.bench.experiments.accumulated;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.batchnorm.bench.experiments.data.Dataset;
import org.batchnorm.bench.experiments.data.Digits;

/**
 * Trains the same network on batches at once, in micro-batches with one statistic over all of a batch, and in
 * micro-batches that are normalized each by itself. Prints the memory that it takes, and the losses: the first two
 * differ by rounding, the third is another training. Once {@code scripts/batchnorm --help} has built it:
 *
 * <pre>
 *   java --add-modules jdk.incubator.vector -cp "benchmarks/target/*:benchmarks/target/lib/*" \
 *       org.batchnorm.bench.experiments.accumulated.AccumulatedTraining
 * </pre>
 */
public final class AccumulatedTraining {
    private static final int WIDTH = 256;
    private static final int BATCH = 256;
    private static final int PARTS = 32;
    private static final int STEPS = 20;
    private static final int STEPS_A_LINE = 5;
    private static final double MIB = 1 << 20;

    private AccumulatedTraining() {}

    /** Trains and prints. */
    public static void main(String[] arguments) {
        run(WIDTH, PARTS, STEPS, System.out);
    }

    /** Trains networks of that width on the digits, with batches in so many parts. */
    static void run(int width, int parts, int steps, PrintStream out) {
        Dataset digits = Digits.load().train();
        Network.Size size = new Network.Size(digits.width(), width, digits.classes());
        try (Network whole = new Network(size, BATCH, 1);
                Network accumulated = new Network(size, BATCH / parts, 1);
                Network apart = new Network(size, BATCH / parts, 1)) {
            out.printf(
                    "Linear, LeakyReLU and batch norm, Linear; %d wide, batches of %d in %d parts, backend %s%n",
                    width, BATCH, parts, whole.norm().backendName());
            out.printf(
                    Locale.ROOT,
                    "activations and gradients: %.3f MiB of a whole batch, %.3f MiB of a part%n",
                    whole.bytes() / MIB,
                    accumulated.bytes() / MIB);
            out.println("step  loss, batch at once  one statistic of all parts  each part by itself");
            for (int step = 0; step < steps; step++) {
                MicroBatches cut = batch(digits, step, parts);
                double loss = whole.stepEachByItself(batch(digits, step, 1));
                double lossAccumulated = accumulated.stepAccumulated(cut);
                double lossApart = apart.stepEachByItself(cut);
                if (step == 0 || (step + 1) % STEPS_A_LINE == 0) {
                    out.printf(
                            Locale.ROOT, "%4d  %19.7f  %26.7f  %19.7f%n", step + 1, loss, lossAccumulated, lossApart);
                }
            }
        }
    }

    /** The batch of a step, in so many parts. */
    static MicroBatches batch(Dataset digits, int step, int parts) {
        int rows = BATCH / parts;
        List<float[]> x = new ArrayList<>();
        List<int[]> labels = new ArrayList<>();
        for (int part = 0; part < parts; part++) {
            int[] images = new int[rows];
            for (int i = 0; i < rows; i++) {
                images[i] = (step * BATCH + part * rows + i) % digits.size();
            }
            x.add(new float[rows * digits.width()]);
            labels.add(new int[rows]);
            digits.copyRows(images, x.getLast(), labels.getLast());
        }
        return new MicroBatches(x, labels);
    }
}

package org.batchnorm.bench.experiments.inplace;

import java.io.PrintStream;
import java.util.Locale;
import org.batchnorm.bench.experiments.data.Dataset;
import org.batchnorm.bench.experiments.data.Digits;

/**
 * Trains the same stack of layers with and without {@code recomputeInputFromOutput}, and prints what each keeps for its
 * backward, and the losses, which differ by rounding. Once {@code scripts/batchnorm --help} has built it:
 *
 * <pre>
 *   java --add-modules jdk.incubator.vector -cp "benchmarks/target/*:benchmarks/target/lib/*" \
 *       org.batchnorm.bench.experiments.inplace.InPlaceTraining
 * </pre>
 *
 * <p>Source: Rota Bulò, Porzi &amp; Kontschieder 2018, "In-Place Activated BatchNorm for Memory-Optimized Training of
 * DNNs".
 */
public final class InPlaceTraining {
    private static final int WIDTH = 256;
    private static final int DEPTH = 8;
    private static final int BATCH = 256;
    private static final int STEPS = 20;
    private static final int STEPS_A_LINE = 5;
    private static final double MIB = 1 << 20;

    private InPlaceTraining() {}

    /** Trains and prints. */
    public static void main(String[] arguments) {
        run(WIDTH, DEPTH, STEPS, System.out);
    }

    /** Trains stacks of so many blocks of that width on the digits. */
    static void run(int width, int depth, int steps, PrintStream out) {
        Dataset digits = Digits.load().train();
        Stack.Size size = new Stack.Size(digits.width(), width, depth, digits.classes());
        try (Stack kept = new Stack(size, BATCH, false, 1);
                Stack inPlace = new Stack(size, BATCH, true, 1)) {
            out.printf(
                    "%d blocks of Linear, batch norm and LeakyReLU, %d wide, batches of %d, backend %s%n",
                    depth, width, BATCH, kept.backendName());
            out.printf(
                    Locale.ROOT,
                    "kept for the backward: %.2f MiB with z and y, %.2f MiB in place%n",
                    kept.keptBytes() / MIB,
                    inPlace.keptBytes() / MIB);
            out.println("step  loss, z and y kept  loss, in place");
            float[] x = new float[BATCH * digits.width()];
            int[] labels = new int[BATCH];
            for (int step = 0; step < steps; step++) {
                digits.copyRows(images(step, digits.size()), x, labels);
                double loss = kept.step(x, labels);
                double lossInPlace = inPlace.step(x, labels);
                if (step == 0 || (step + 1) % STEPS_A_LINE == 0) {
                    out.printf(Locale.ROOT, "%4d  %18.7f  %14.7f%n", step + 1, loss, lossInPlace);
                }
            }
        }
    }

    private static int[] images(int step, int size) {
        int[] images = new int[BATCH];
        for (int i = 0; i < BATCH; i++) {
            images[i] = (step * BATCH + i) % size;
        }
        return images;
    }
}

package org.batchnorm.mpi;

import java.time.Duration;
import java.util.Arrays;
import java.util.OptionalDouble;
import java.util.Random;
import org.batchnorm.BatchNorm;
import org.batchnorm.BatchNormBuilder;
import org.batchnorm.conformance.ErrorBound;
import org.batchnorm.conformance.Quantity;
import org.batchnorm.data.BatchShape;

/**
 * One rank of a run under {@code mpirun}: takes its part of a batch through some steps, and compares what all ranks got
 * with one layer that has the whole batch. Arguments: {@code equal}; {@code die RANK} and {@code throw RANK}, which
 * leave in mid-step; {@code stay-away RANK SECONDS}, which does not come to the exchange.
 */
final class RankMain {
    private static final int C = 50;
    private static final int STEPS = 20;

    private RankMain() {}

    public static void main(String[] args) {
        Duration deadline = Duration.ofSeconds(args.length > 2 ? Long.parseLong(args[2]) : 60);
        int wrong = args.length > 1 ? Integer.parseInt(args[1]) : -1;
        MpiExchange.run(deadline, exchange -> {
            try (BatchNorm mine = builder().synchronizedBy(exchange).build();
                    BatchNorm whole = builder().build()) {
                for (int step = 0; step < STEPS; step++) {
                    if (step == STEPS / 2 && exchange.rank() == wrong) {
                        leave(args[0]);
                    }
                    step(exchange, mine, whole, step);
                }
                System.out.println("rank " + exchange.rank() + " of " + exchange.size() + ": equal");
            }
        });
    }

    private static BatchNormBuilder builder() {
        return BatchNorm.builder(C);
    }

    private static void leave(String how) {
        if (how.equals("die")) {
            Runtime.getRuntime().halt(3);
        }
        if (how.equals("throw")) {
            throw new IllegalStateException("a failure of one rank");
        }
        try {
            Thread.sleep(Duration.ofMinutes(5));
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Rank r has 4 + 3 r rows, the last of several none. */
    private static void step(MpiExchange exchange, BatchNorm mine, BatchNorm whole, int seed) {
        int size = exchange.size();
        int[] start = new int[size + 1];
        for (int r = 0; r < size; r++) {
            start[r + 1] = start[r] + (r == size - 1 && size > 1 ? 0 : 4 + 3 * r);
        }
        int n = start[size];
        Random random = new Random(seed);
        float[] x = values(random, n, 3);
        float[] dy = values(random, n, 0);
        float[] y = new float[n * C];
        float[] dx = new float[n * C];
        whole.zeroGradients();
        whole.forward(x, y, BatchShape.of(n, C));
        whole.backward(x, dy, dx, BatchShape.of(n, C));

        int from = start[exchange.rank()] * C;
        int to = start[exchange.rank() + 1] * C;
        BatchShape part = BatchShape.of((to - from) / C, C);
        float[] myX = Arrays.copyOfRange(x, from, to);
        float[] out = new float[to - from];
        mine.zeroGradients();
        mine.forward(myX, out, part);
        check(Quantity.Y, out, Arrays.copyOfRange(y, from, to));
        mine.backward(myX, Arrays.copyOfRange(dy, from, to), out, part);
        check(Quantity.DX, out, Arrays.copyOfRange(dx, from, to));
        exchange.allReduce(mine.weightGradient());
        exchange.allReduce(mine.biasGradient());
        check(Quantity.DWEIGHT, mine.weightGradient(), whole.weightGradient());
        check(Quantity.DBIAS, mine.biasGradient(), whole.biasGradient());
        check(Quantity.RUNNING_MEAN, mine.runningMean(), whole.runningMean());
        check(Quantity.RUNNING_VAR, mine.runningVar(), whole.runningVar());
        requireSameBits(exchange, mine.runningVar());
    }

    private static float[] values(Random random, int n, double mean) {
        float[] values = new float[n * C];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (mean + random.nextGaussian());
        }
        return values;
    }

    private static void requireSameBits(MpiExchange exchange, float[] values) {
        double[] mine = new double[values.length];
        double[] all = new double[values.length * exchange.size()];
        for (int i = 0; i < values.length; i++) {
            mine[i] = values[i];
        }
        exchange.allGather(mine, all);
        for (int i = 0; i < all.length; i++) {
            if (all[i] != values[i % values.length]) {
                throw new AssertionError("rank " + i / values.length + " has another running variance");
            }
        }
    }

    private static void check(Quantity quantity, float[] actual, float[] expected) {
        double[] wide = new double[expected.length];
        Arrays.setAll(wide, i -> expected[i]);
        String message =
                ErrorBound.check(quantity, actual, wide, OptionalDouble.empty()).message();
        if (!message.isEmpty()) {
            throw new AssertionError(quantity + ": " + message);
        }
    }
}

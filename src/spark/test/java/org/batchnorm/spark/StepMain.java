package org.batchnorm.spark;

import java.io.Serializable;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.List;
import java.util.OptionalDouble;
import java.util.Random;
import org.apache.spark.SparkException;
import org.apache.spark.api.java.JavaSparkContext;
import org.batchnorm.BatchNorm;
import org.batchnorm.conformance.ErrorBound;
import org.batchnorm.conformance.Quantity;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.StatisticsExchange;

/**
 * A driver whose executors take steps of training on the rows of a batch, three ranks together, and compares with one
 * layer that has the whole batch. Arguments: {@code equal ROWS}; {@code die ROWS} and {@code stay-away ROWS}, where
 * rank 1 leaves in mid-step.
 */
final class StepMain {
    private static final int C = 50;
    private static final int RANKS = LocalCluster.EXECUTORS;
    private static final int STEPS = 20;
    private static final Duration DEADLINE = Duration.ofSeconds(20);

    private StepMain() {}

    /** A row of a batch, and the gradient of the loss with respect to what batch norm makes of it. */
    @SuppressWarnings("ArrayRecordComponent") // live arrays, which nobody compares
    private record Row(float[] x, float[] dy) implements Serializable {}

    /** What one rank has after a step: y and dx of its rows, its γ and β gradients added up, its running statistics. */
    @SuppressWarnings("ArrayRecordComponent")
    private record Result(
            float[] y,
            float[] dx,
            float[] weightGradient,
            float[] biasGradient,
            float[] runningMean,
            float[] runningVar,
            long micros,
            String backend)
            implements Serializable {}

    public static void main(String[] args) {
        String how = args[0];
        int n = Integer.parseInt(args[1]);
        try (JavaSparkContext spark = LocalCluster.context()) {
            List<Row> rows = rows(n);
            List<Result> results = SparkExchange.run(
                    spark.parallelize(rows, RANKS), DEADLINE, (exchange, mine) -> train(how, exchange, mine));
            check(rows, results);
            System.out.println(RANKS + " ranks: equal on " + results.getFirst().backend() + "; a step took "
                    + results.getFirst().micros() + " µs (median) with its 4 exchanges");
        } catch (Exception e) {
            if (e instanceof SparkException) {
                System.out.println("the job failed: " + e.getMessage());
                System.exit(3);
            }
            throw e;
        }
    }

    private static List<Row> rows(int n) {
        Random random = new Random(1);
        List<Row> rows = new ArrayList<>();
        for (int i = 0; i < n; i++) {
            rows.add(new Row(values(random, 3), values(random, 0)));
        }
        return rows;
    }

    private static float[] values(Random random, double mean) {
        float[] values = new float[C];
        for (int c = 0; c < C; c++) {
            values[c] = (float) (mean + random.nextGaussian());
        }
        return values;
    }

    /** Some steps on the same rows, as a rank. */
    private static Result train(String how, StatisticsExchange exchange, Iterator<Row> mine)
            throws InterruptedException {
        List<Row> rows = new ArrayList<>();
        mine.forEachRemaining(rows::add);
        try (BatchNorm layer = BatchNorm.builder(C).synchronizedBy(exchange).build()) {
            float[] x = flat(rows.stream().map(Row::x).toList());
            float[] dy = flat(rows.stream().map(Row::dy).toList());
            float[] y = new float[x.length];
            float[] dx = new float[x.length];
            BatchShape shape = BatchShape.of(rows.size(), C);
            long[] nanos = new long[STEPS];
            for (int step = 0; step < STEPS; step++) {
                if (step == STEPS / 2 && exchange.rank() == 1) {
                    leave(how);
                }
                layer.zeroGradients();
                long start = System.nanoTime();
                layer.forward(x, y, shape);
                layer.backward(x, dy, dx, shape);
                exchange.allReduce(layer.weightGradient());
                exchange.allReduce(layer.biasGradient());
                nanos[step] = System.nanoTime() - start;
            }
            Arrays.sort(nanos);
            return new Result(
                    y,
                    dx,
                    layer.weightGradient().clone(),
                    layer.biasGradient().clone(),
                    layer.runningMean(),
                    layer.runningVar(),
                    nanos[STEPS / 2] / 1000,
                    layer.backendName());
        }
    }

    private static void leave(String how) throws InterruptedException {
        if (how.equals("die")) {
            Runtime.getRuntime().halt(9);
        }
        if (how.equals("stay-away")) {
            Thread.sleep(Duration.ofMinutes(5));
        }
    }

    private static void check(List<Row> rows, List<Result> results) {
        float[] x = flat(rows.stream().map(Row::x).toList());
        float[] y = new float[x.length];
        float[] dx = new float[x.length];
        BatchShape shape = BatchShape.of(rows.size(), C);
        try (BatchNorm whole = BatchNorm.builder(C).build()) {
            for (int step = 0; step < STEPS; step++) {
                whole.zeroGradients();
                whole.forward(x, y, shape);
                whole.backward(x, flat(rows.stream().map(Row::dy).toList()), dx, shape);
            }
            check(Quantity.Y, flat(results.stream().map(Result::y).toList()), y);
            check(Quantity.DX, flat(results.stream().map(Result::dx).toList()), dx);
            for (Result result : results) {
                check(Quantity.DWEIGHT, result.weightGradient(), whole.weightGradient());
                check(Quantity.DBIAS, result.biasGradient(), whole.biasGradient());
                check(Quantity.RUNNING_MEAN, result.runningMean(), whole.runningMean());
                check(Quantity.RUNNING_VAR, result.runningVar(), whole.runningVar());
                if (!Arrays.equals(result.runningVar(), results.getFirst().runningVar())) {
                    throw new AssertionError("the ranks have different running variances");
                }
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

    private static float[] flat(List<float[]> arrays) {
        int length = arrays.stream().mapToInt(array -> array.length).sum();
        float[] all = new float[length];
        int start = 0;
        for (float[] array : arrays) {
            System.arraycopy(array, 0, all, start, array.length);
            start += array.length;
        }
        return all;
    }
}

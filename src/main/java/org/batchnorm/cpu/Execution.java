package org.batchnorm.cpu;

import java.util.Arrays;
import java.util.Objects;
import org.batchnorm.spi.BatchStatistics;
import org.jspecify.annotations.Nullable;

/**
 * One operation under way: its data, its scratch memory and what its passes do with one block. Executions are used again ({@link Executions}), so that an operation allocates nothing.
 *
 * <pre>
 *   collectStatistics:  sample ─▶ [collectStatistics]* ─▶ mergeStatistics
 *   forward:            sample ─▶ [collectStatistics]* ─▶ mergeStatistics ─▶ [transform]*
 *   inference:                                                               [transform]*
 *   backward:           [reduceGradients]* ─▶ mergeGradients ─▶ [inputGradient]*          []* in blocks, on several threads
 * </pre>
 *
 * The second pass of an operation takes the blocks, and the rows within, as the first one did; with data larger than the caches it goes backwards, to find the end of the first pass still there.
 */
final class Execution implements WorkerPool.Task {
    private enum Pass {
        COLLECT_STATISTICS,
        TRANSFORM,
        REDUCE_GRADIENTS,
        INPUT_GRADIENT
    }

    private static final Object NOTHING = new Object();
    private static final float[] EMPTY = {};
    private static final double[] NO_SUMS = {};
    private static final int SAMPLES = 16;
    private static final int FEW_SAMPLES = 4;
    private static final int IMAGES_AT_ONCE = 4;

    private @Nullable Kernels kernels;
    private @Nullable Blocks blocks;
    private int threads;
    private Pass pass = Pass.TRANSFORM;
    private Object x = NOTHING;
    private long xStart;
    private Object second = NOTHING;
    private long secondStart;
    private Object out = NOTHING;
    private long outStart;

    private float[] centre = EMPTY;
    private final Coefficients coefficients = new Coefficients();
    private double[] sums = NO_SUMS;
    private double[] products = NO_SUMS;
    private float[][] columnSums = {};
    private float[][] columnProducts = {};

    /** Prepares for an operation; x is its first input. */
    void begin(Kernels kernels, Blocks blocks, int threads, Object x, long xStart) {
        this.kernels = kernels;
        this.blocks = blocks;
        this.threads = threads;
        this.x = x;
        this.xStart = xStart;
        coefficients.reserve(blocks.width);
    }

    /** Names the operation's output. */
    void writeTo(Object memory, long start) {
        out = memory;
        outStart = start;
    }

    /** Names the operation's second input, dy. */
    void readAlso(Object memory, long start) {
        second = memory;
        secondStart = start;
    }

    /** Lets go of the caller's memory. */
    void end() {
        x = NOTHING;
        second = NOTHING;
        out = NOTHING;
        kernels = null;
        blocks = null;
    }

    /** The first pass of the forward operation. */
    void collectStatistics(double eps, BatchStatistics statistics) {
        Blocks cut = blocks();
        reserveSums(cut);
        if (centre.length < cut.width) {
            centre = new float[cut.width];
        }
        sample(cut);
        runPass(Pass.COLLECT_STATISTICS);
        MergeStatistics.run(cut, x, xStart, sums, products, centre, eps, statistics);
    }

    /** The second pass of the forward operation. */
    void transform(float @Nullable [] gamma, float @Nullable [] beta, BatchStatistics statistics) {
        Blocks cut = blocks();
        float[] mean = statistics.mean();
        float[] meanLow = statistics.meanLow();
        float[] rstd = statistics.rstd();
        for (int c = 0; c < cut.features; c++) {
            float scale = gamma == null ? rstd[c] : gamma[c] * rstd[c];
            coefficients.centre[c] = mean[c];
            coefficients.scale[c] = scale;
            coefficients.offset[c] = (beta == null ? 0 : beta[c]) - meanLow[c] * scale;
        }
        coefficients.expand(cut);
        runPass(Pass.TRANSFORM);
    }

    /** The one pass of inference. */
    void transform(float @Nullable [] gamma, float @Nullable [] beta, float[] mean, float[] variance, double eps) {
        Blocks cut = blocks();
        for (int c = 0; c < cut.features; c++) {
            float rstd = (float) (1 / Math.sqrt(variance[c] + eps));
            coefficients.centre[c] = mean[c];
            coefficients.scale[c] = gamma == null ? rstd : gamma[c] * rstd;
            coefficients.offset[c] = beta == null ? 0 : beta[c];
        }
        coefficients.expand(cut);
        runPass(Pass.TRANSFORM);
    }

    /** Both passes of the backward operation. */
    void backward(
            float @Nullable [] gamma,
            BatchStatistics statistics,
            boolean throughStatistics,
            float[] dgamma,
            float[] dbeta) {
        Blocks cut = blocks();
        reserveSums(cut);
        if (centre.length < cut.width) {
            centre = new float[cut.width];
        }
        System.arraycopy(statistics.mean(), 0, centre, 0, cut.features);
        cut.expand(centre);
        runPass(Pass.REDUCE_GRADIENTS);
        MergeGradients.run(cut, sums, products, gamma, statistics, throughStatistics, dgamma, dbeta, coefficients);
        coefficients.expand(cut);
        if (throughStatistics) {
            runPass(Pass.INPUT_GRADIENT);
        } else {
            x = second;
            xStart = secondStart;
            runPass(Pass.TRANSFORM);
        }
    }

    @Override
    public void run(int block, int participant) {
        switch (pass) {
            case COLLECT_STATISTICS, REDUCE_GRADIENTS -> reduce(block, participant);
            case TRANSFORM, INPUT_GRADIENT -> map(block);
        }
    }

    private void runPass(Pass next) {
        pass = next;
        WorkerPool.SHARED.run(this, blocks().count(), threads);
    }

    /** A value near each feature's mean, into {@code centre}. */
    private void sample(Blocks cut) {
        if (cut.byRows) {
            int base = cut.features * cut.repeat;
            long dataRows = cut.rows * cut.fold + cut.looseRows;
            int samples = (int) Math.clamp(dataRows / 8, Math.min(dataRows, FEW_SAMPLES), SAMPLES);
            kernels().collectStatistics().sampleRows(x, xStart, samples, dataRows / samples * base, base, centre);
            for (int c = 0; c < cut.features; c++) {
                centre[c] = centre[c * cut.repeat];
            }
            cut.expand(centre);
            return;
        }
        long spatial = cut.shape.spatial();
        long imageApart = cut.features * spatial;
        // From one image after the other, each time further on in it; of few images, from one in the middle.
        boolean acrossImages = cut.rows >= SAMPLES / 2;
        int samples = acrossImages ? (int) Math.min(SAMPLES, cut.rows) : SAMPLES;
        long apart = spatial / samples + (acrossImages ? cut.rows / samples * imageApart : 0);
        long first = xStart + (acrossImages ? 0 : cut.rows / 2 * imageApart);
        for (int c = 0; c < cut.features; c++) {
            centre[c] = Shift.sample(x, first + c * spatial, samples, apart);
        }
    }

    private void reduce(int block, int participant) {
        Blocks cut = blocks();
        int from = cut.firstFeature(block);
        int to = cut.endFeature(block);
        int at = cut.partialOf(block) * cut.features;
        Arrays.fill(sums, at + from, at + to, 0);
        Arrays.fill(products, at + from, at + to, 0);
        int part = cut.rowPartOf(block);
        if (cut.byRows) {
            int columns = cut.features * cut.repeat;
            int end = cut.fold > 1 ? cut.width : to * cut.repeat;
            long last = cut.endRow(part);
            for (long row = cut.firstRow(part); row < last; row += Blocks.ROWS) {
                reduceRows(
                        cut,
                        participant,
                        row * cut.width,
                        (int) Math.min(Blocks.ROWS, last - row),
                        cut.width,
                        from * cut.repeat,
                        end,
                        at);
            }
            if (cut.looseRows > 0 && part == cut.rowParts - 1) {
                reduceRows(cut, participant, cut.rows * cut.width, cut.looseRows, columns, 0, columns, at);
            }
            return;
        }
        long spatial = cut.shape.spatial();
        long imageApart = cut.features * spatial;
        long firstPosition = cut.firstPosition(block);
        long endPosition = cut.endPosition(block);
        long last = cut.endRow(part);
        for (long image = cut.firstRow(part); image < last; image += IMAGES_AT_ONCE) {
            int images = (int) Math.min(IMAGES_AT_ONCE, last - image);
            if (spatial <= Blocks.RUN) {
                reduceRuns(
                        image * imageApart + from * spatial, images, imageApart, from, to, spatial, (int) spatial, at);
                continue;
            }
            for (int c = from; c < to; c++) {
                long run = image * imageApart + c * spatial;
                for (long s = firstPosition; s < endPosition; s += Blocks.RUN) {
                    int length = (int) Math.min(Blocks.RUN, endPosition - s);
                    reduceRuns(run + s, images, imageApart, c, c + 1, spatial, length, at);
                }
            }
        }
    }

    private void reduceRows(Blocks cut, int participant, long row, int rows, int width, int from, int to, int at) {
        float[] sum = columnSums[participant];
        float[] product = columnProducts[participant];
        Arrays.fill(sum, from, to, 0);
        Arrays.fill(product, from, to, 0);
        if (pass == Pass.COLLECT_STATISTICS) {
            kernels().collectStatistics().rows(x, xStart + row, rows, width, from, to, centre, sum, product);
        } else {
            kernels()
                    .reduceGradients()
                    .rows(x, xStart + row, second, secondStart + row, rows, width, from, to, centre, sum, product);
        }
        cut.addColumns(sum, from, to, sums, at);
        cut.addColumns(product, from, to, products, at);
    }

    private void reduceRuns(
            long run, int images, long imageApart, int from, int to, long channelApart, int length, int at) {
        if (pass == Pass.COLLECT_STATISTICS) {
            kernels()
                    .collectStatistics()
                    .runs(
                            x,
                            xStart + run,
                            images,
                            imageApart,
                            from,
                            to,
                            channelApart,
                            length,
                            centre,
                            sums,
                            products,
                            at);
        } else {
            kernels()
                    .reduceGradients()
                    .runs(
                            x,
                            xStart + run,
                            second,
                            secondStart + run,
                            images,
                            imageApart,
                            from,
                            to,
                            channelApart,
                            length,
                            centre,
                            sums,
                            products,
                            at);
        }
    }

    private void map(int block) {
        Blocks cut = blocks();
        int from = cut.firstFeature(block);
        int to = cut.endFeature(block);
        int part = cut.rowPartOf(block);
        long last = cut.endRow(part);
        if (cut.byRows) {
            int columns = cut.features * cut.repeat;
            int end = cut.fold > 1 ? cut.width : to * cut.repeat;
            for (long row = cut.firstRow(part); row < last; row += Blocks.ROWS) {
                mapRows(row * cut.width, (int) Math.min(Blocks.ROWS, last - row), cut.width, from * cut.repeat, end);
            }
            if (cut.looseRows > 0 && part == cut.rowParts - 1) {
                mapRows(cut.rows * cut.width, cut.looseRows, columns, 0, columns);
            }
            return;
        }
        long spatial = cut.shape.spatial();
        long firstPosition = cut.firstPosition(block);
        long endPosition = cut.endPosition(block);
        for (long image = cut.firstRow(part); image < last; image++) {
            long start = image * cut.features * spatial;
            if (spatial <= Blocks.RUN) {
                mapRuns(start + from * spatial, from, to, spatial, (int) spatial);
                continue;
            }
            for (int c = from; c < to; c++) {
                for (long s = firstPosition; s < endPosition; s += Blocks.RUN) {
                    mapRuns(start + c * spatial + s, c, c + 1, spatial, (int) Math.min(Blocks.RUN, endPosition - s));
                }
            }
        }
    }

    private void mapRows(long row, int rows, int width, int from, int to) {
        if (pass == Pass.TRANSFORM) {
            kernels().transform().rows(x, xStart + row, out, outStart + row, rows, width, from, to, coefficients);
        } else {
            kernels()
                    .inputGradient()
                    .rows(
                            x,
                            xStart + row,
                            second,
                            secondStart + row,
                            out,
                            outStart + row,
                            rows,
                            width,
                            from,
                            to,
                            coefficients);
        }
    }

    private void mapRuns(long run, int from, int to, long channelApart, int length) {
        if (pass == Pass.TRANSFORM) {
            kernels()
                    .transform()
                    .runs(x, xStart + run, out, outStart + run, from, to, channelApart, length, coefficients);
        } else {
            kernels()
                    .inputGradient()
                    .runs(
                            x,
                            xStart + run,
                            second,
                            secondStart + run,
                            out,
                            outStart + run,
                            from,
                            to,
                            channelApart,
                            length,
                            coefficients);
        }
    }

    private void reserveSums(Blocks cut) {
        int size = Math.multiplyExact(cut.partials(), cut.features);
        if (sums.length < size) {
            sums = new double[size];
            products = new double[size];
        }
        if (cut.byRows) {
            int participants = Math.max(threads, columnSums.length);
            if (columnSums.length < participants) {
                columnSums = Arrays.copyOf(columnSums, participants);
                columnProducts = Arrays.copyOf(columnProducts, participants);
            }
            for (int p = 0; p < participants; p++) {
                if (columnSums[p] == null || columnSums[p].length < cut.width) {
                    columnSums[p] = new float[cut.width];
                    columnProducts[p] = new float[cut.width];
                }
            }
        }
    }

    private Blocks blocks() {
        return Objects.requireNonNull(blocks);
    }

    private Kernels kernels() {
        return Objects.requireNonNull(kernels);
    }
}

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
 * The second pass of an operation takes the blocks, and the rows within, as the first one did.
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
    private static final int SAMPLES = 16;
    private static final int ROWS_PER_SAMPLE = 32;
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
    private float[] shift = EMPTY;
    private double[][] sums = {};
    private double[][] products = {};
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
        sample(cut);
        runPass(Pass.COLLECT_STATISTICS);
        MergeStatistics.run(cut, x, xStart, sums, products, shift, eps, statistics);
    }

    /** The second pass of the forward operation. */
    void transform(float @Nullable [] gamma, float @Nullable [] beta, BatchStatistics statistics) {
        Blocks cut = blocks();
        System.arraycopy(statistics.mean(), 0, coefficients.centre, 0, cut.features);
        coefficients.scale(gamma, statistics.rstd(), cut.features);
        coefficients.offset(beta, cut.features);
        coefficients.lower(statistics.meanLow(), cut.features);
        coefficients.expandForTransform(cut);
        runPass(Pass.TRANSFORM);
    }

    /** The one pass of inference. */
    void transform(float @Nullable [] gamma, float @Nullable [] beta, float[] mean, float[] variance, double eps) {
        Blocks cut = blocks();
        System.arraycopy(mean, 0, coefficients.centre, 0, cut.features);
        float[] rstd = coefficients.slope;
        Rstd.of(variance, eps, rstd, cut.features);
        coefficients.scale(gamma, rstd, cut.features);
        coefficients.offset(beta, cut.features);
        coefficients.expandForTransform(cut);
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
        System.arraycopy(statistics.mean(), 0, centre, 0, cut.features);
        cut.expand(centre);
        runPass(Pass.REDUCE_GRADIENTS);
        MergeGradients.run(cut, sums, products, gamma, statistics, throughStatistics, dgamma, dbeta, coefficients);
        if (throughStatistics) {
            coefficients.expandForInputGradient(cut);
            runPass(Pass.INPUT_GRADIENT);
        } else {
            coefficients.expandForTransform(cut);
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
            int samples = (int) Math.clamp(dataRows / ROWS_PER_SAMPLE, Math.min(dataRows, FEW_SAMPLES), SAMPLES);
            kernels().collectStatistics().sampleRows(x, xStart, samples, dataRows / samples * base, base, centre);
            if (cut.repeat > 1) {
                for (int c = 0; c < cut.features; c++) {
                    centre[c] = centre[c * cut.repeat];
                }
            }
            System.arraycopy(centre, 0, shift, 0, cut.features);
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
        System.arraycopy(centre, 0, shift, 0, cut.features);
    }

    private void reduce(int block, int participant) {
        Blocks cut = blocks();
        int from = cut.firstFeature(block);
        int to = cut.endFeature(block);
        double[] sum = sums[cut.partialOf(block)];
        double[] product = products[cut.partialOf(block)];
        Arrays.fill(sum, from, to, 0);
        Arrays.fill(product, from, to, 0);
        int part = cut.rowPartOf(block);
        if (cut.byRows) {
            reduceRows(
                    cut,
                    part,
                    participant,
                    from * cut.repeat,
                    cut.fold > 1 ? cut.width : to * cut.repeat,
                    sum,
                    product);
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
                        image * imageApart + from * spatial,
                        images,
                        imageApart,
                        from,
                        to,
                        spatial,
                        (int) spatial,
                        sum,
                        product);
                continue;
            }
            for (int c = from; c < to; c++) {
                long run = image * imageApart + c * spatial;
                for (long s = firstPosition; s < endPosition; s += Blocks.RUN) {
                    int length = (int) Math.min(Blocks.RUN, endPosition - s);
                    reduceRuns(run + s, images, imageApart, c, c + 1, spatial, length, sum, product);
                }
            }
        }
    }

    private void reduceRows(Blocks cut, int part, int participant, int from, int to, double[] sum, double[] product) {
        float[] columnSum = columnSums[participant];
        float[] columnProduct = columnProducts[participant];
        int streams = pass == Pass.COLLECT_STATISTICS ? CollectStatistics.STREAMS : ReduceGradients.STREAMS;
        int atOnce = Blocks.ROWS / streams;
        long first = cut.firstRow(part);
        long ofStream = Blocks.rowsOfStream(cut.endRow(part) - first, streams);
        Arrays.fill(columnSum, from, to, 0);
        Arrays.fill(columnProduct, from, to, 0);
        for (long r = 0; r < ofStream; r += atOnce) {
            if (r > 0) {
                addColumns(cut, columnSum, from, to, sum);
                addColumns(cut, columnProduct, from, to, product);
                Arrays.fill(columnSum, from, to, 0);
                Arrays.fill(columnProduct, from, to, 0);
            }
            int rows = (int) Math.min(atOnce, ofStream - r);
            addRows(
                    (first + r) * cut.width,
                    streams,
                    ofStream * cut.width,
                    rows,
                    cut.width,
                    from,
                    to,
                    columnSum,
                    columnProduct);
        }
        long rest = first + ofStream * streams;
        if (rest < cut.endRow(part)) {
            int rows = (int) (cut.endRow(part) - rest);
            addRows(rest * cut.width, 1, 0, rows, cut.width, from, to, columnSum, columnProduct);
        }
        if (cut.looseRows > 0 && part == cut.rowParts - 1) {
            int columns = cut.features * cut.repeat;
            addRows(cut.rows * cut.width, 1, 0, cut.looseRows, columns, 0, columns, columnSum, columnProduct);
        }
        addColumns(cut, columnSum, from, to, sum);
        addColumns(cut, columnProduct, from, to, product);
    }

    private static void addColumns(Blocks cut, float[] columns, int from, int to, double[] sums) {
        cut.addColumns(columns, from, to, sums, Tile.current().a);
    }

    private void addRows(
            long row,
            int streams,
            long apart,
            int rows,
            int width,
            int from,
            int to,
            float[] columnSum,
            float[] columnProduct) {
        if (pass == Pass.COLLECT_STATISTICS) {
            kernels()
                    .collectStatistics()
                    .rows(x, xStart + row, streams, apart, rows, width, from, to, centre, columnSum, columnProduct);
        } else {
            kernels()
                    .reduceGradients()
                    .rows(
                            x,
                            xStart + row,
                            second,
                            secondStart + row,
                            streams,
                            apart,
                            rows,
                            width,
                            from,
                            to,
                            centre,
                            columnSum,
                            columnProduct);
        }
    }

    private void reduceRuns(
            long run,
            int images,
            long imageApart,
            int from,
            int to,
            long channelApart,
            int length,
            double[] sum,
            double[] product) {
        if (pass == Pass.COLLECT_STATISTICS) {
            kernels()
                    .collectStatistics()
                    .runs(x, xStart + run, images, imageApart, from, to, channelApart, length, centre, sum, product);
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
                            sum,
                            product);
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
            long first = cut.firstRow(part);
            mapRows(first * cut.width, last - first, cut.width, from * cut.repeat, end);
            if (cut.looseRows > 0 && part == cut.rowParts - 1) {
                mapRows(cut.rows * cut.width, cut.looseRows, columns, 0, columns);
            }
            return;
        }
        long spatial = cut.shape.spatial();
        long imageApart = cut.features * spatial;
        long first = cut.firstRow(part);
        if (spatial <= Blocks.RUN) {
            mapRuns(first * imageApart + from * spatial, last - first, imageApart, from, to, spatial, (int) spatial);
            return;
        }
        long firstPosition = cut.firstPosition(block);
        long endPosition = cut.endPosition(block);
        for (long image = first; image < last; image++) {
            for (int c = from; c < to; c++) {
                for (long s = firstPosition; s < endPosition; s += Blocks.MAPPED_RUN) {
                    int length = (int) Math.min(Blocks.MAPPED_RUN, endPosition - s);
                    mapRuns(image * imageApart + c * spatial + s, 1, imageApart, c, c + 1, spatial, length);
                }
            }
        }
    }

    private void mapRows(long row, long rows, int width, int from, int to) {
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

    private void mapRuns(long run, long images, long imageApart, int from, int to, long channelApart, int length) {
        if (pass == Pass.TRANSFORM) {
            kernels()
                    .transform()
                    .runs(
                            x,
                            xStart + run,
                            out,
                            outStart + run,
                            images,
                            imageApart,
                            from,
                            to,
                            channelApart,
                            length,
                            coefficients);
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
                            images,
                            imageApart,
                            from,
                            to,
                            channelApart,
                            length,
                            coefficients);
        }
    }

    private void reserveSums(Blocks cut) {
        if (centre.length < cut.width) {
            centre = new float[cut.width];
        }
        if (shift.length < cut.features) {
            shift = new float[cut.features];
        }
        sums = reserve(sums, cut.partials(), cut.features);
        products = reserve(products, cut.partials(), cut.features);
        if (cut.byRows) {
            columnSums = reserve(columnSums, threads, cut.width);
            columnProducts = reserve(columnProducts, threads, cut.width);
        }
    }

    private static double[][] reserve(double[][] arrays, int count, int length) {
        double[][] enough = arrays.length < count ? Arrays.copyOf(arrays, count) : arrays;
        for (int i = 0; i < count; i++) {
            if (enough[i] == null || enough[i].length < length) {
                enough[i] = new double[length];
            }
        }
        return enough;
    }

    private static float[][] reserve(float[][] arrays, int count, int length) {
        float[][] enough = arrays.length < count ? Arrays.copyOf(arrays, count) : arrays;
        for (int i = 0; i < count; i++) {
            if (enough[i] == null || enough[i].length < length) {
                enough[i] = new float[length];
            }
        }
        return enough;
    }

    private Blocks blocks() {
        return Objects.requireNonNull(blocks);
    }

    private Kernels kernels() {
        return Objects.requireNonNull(kernels);
    }
}

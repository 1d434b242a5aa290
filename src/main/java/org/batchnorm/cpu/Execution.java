package org.batchnorm.cpu;

import java.util.Arrays;
import java.util.Objects;
import org.batchnorm.spi.BatchStatistics;
import org.jspecify.annotations.Nullable;

/**
 * One operation under way: its data, its scratch memory and what its passes do with one block. Executions are used again ({@link Executions}), so that an operation allocates nothing.
 *
 * <pre>
 *   collectStatistics:  sample ─▶ [collectStatistics]* ─▶ [mergeStatistics]°
 *   forward:            sample ─▶ [collectStatistics]* ─▶ [mergeStatistics]° ─▶ [transform]*
 *   inference:                                                                  [transform]*
 *   backward:                     [reduceGradients]* ─▶ [mergeGradients]° ─▶ [inputGradient]*
 * </pre>
 *
 * In blocks* or in stretches of the features°, on several threads. The elementwise pass of an operation takes the blocks, and the rows within, as the reduction did.
 */
final class Execution implements WorkerPool.Task {
    private enum Pass {
        COLLECT_STATISTICS,
        MERGE_STATISTICS,
        TRANSFORM,
        INFER,
        REDUCE_GRADIENTS,
        MERGE_GRADIENTS,
        INPUT_GRADIENT
    }

    private static final Object NOTHING = new Object();
    private static final float[] EMPTY = {};
    private static final int SAMPLES = 16;
    private static final int ROWS_PER_SAMPLE = 32;
    private static final int FEW_SAMPLES = 4;
    private static final int IMAGES_AT_ONCE = 4;

    /** Fewer features than this are merged sooner than another core hears of them. */
    private static final int MERGED_FEATURES = 256;

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

    private float @Nullable [] gamma;
    private float @Nullable [] beta;
    private float[] mean = EMPTY;
    private float[] variance = EMPTY;
    private double eps;
    private @Nullable BatchStatistics statistics;
    private boolean throughStatistics;
    private float[] dgamma = EMPTY;
    private float[] dbeta = EMPTY;

    /** Of the C features. */
    private final Coefficients coefficients = new Coefficients();

    /** Of the columns, where a feature has several, and in inference: what a thread makes itself it need not fetch from another core. */
    private Coefficients[] ofThread = {};

    /** Parts of the features that are merged at once. */
    private int stretches;

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
        coefficients.reserve(blocks.features);
        int have = ofThread.length;
        if (have < threads) {
            ofThread = Arrays.copyOf(ofThread, threads);
            for (int i = have; i < threads; i++) {
                ofThread[i] = new Coefficients();
            }
        }
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
        gamma = null;
        beta = null;
        mean = EMPTY;
        variance = EMPTY;
        statistics = null;
        dgamma = EMPTY;
        dbeta = EMPTY;
        kernels = null;
        blocks = null;
    }

    /** The operation {@code collectStatistics}. */
    void collectStatistics(double eps, BatchStatistics statistics) {
        this.eps = eps;
        this.statistics = statistics;
        reserveSums(blocks());
        sample(blocks());
        runOnBlocks(Pass.COLLECT_STATISTICS);
        runOnFeatures(Pass.MERGE_STATISTICS);
    }

    /** The operation {@code forward}. */
    void forward(float @Nullable [] gamma, float @Nullable [] beta, double eps, BatchStatistics statistics) {
        this.gamma = gamma;
        this.beta = beta;
        collectStatistics(eps, statistics);
        runOnBlocks(Pass.TRANSFORM);
    }

    /** The operation {@code inference}. */
    void inference(float @Nullable [] gamma, float @Nullable [] beta, float[] mean, float[] variance, double eps) {
        this.gamma = gamma;
        this.beta = beta;
        this.mean = mean;
        this.variance = variance;
        this.eps = eps;
        runOnBlocks(Pass.INFER);
    }

    /** The operation {@code backward}. */
    void backward(
            float @Nullable [] gamma,
            BatchStatistics statistics,
            boolean throughStatistics,
            float[] dgamma,
            float[] dbeta) {
        this.gamma = gamma;
        this.statistics = statistics;
        this.throughStatistics = throughStatistics;
        this.dgamma = dgamma;
        this.dbeta = dbeta;
        reserveSums(blocks());
        System.arraycopy(statistics.mean(), 0, coefficients.centre, 0, blocks().features);
        runOnBlocks(Pass.REDUCE_GRADIENTS);
        runOnFeatures(Pass.MERGE_GRADIENTS);
        if (throughStatistics) {
            runOnBlocks(Pass.INPUT_GRADIENT);
        } else {
            x = second;
            xStart = secondStart;
            runOnBlocks(Pass.TRANSFORM);
        }
    }

    private void runOnBlocks(Pass next) {
        pass = next;
        WorkerPool.SHARED.run(this, blocks().count(), threads);
    }

    private void runOnFeatures(Pass next) {
        pass = next;
        stretches = Math.clamp(blocks().features / MERGED_FEATURES, 1, threads);
        WorkerPool.SHARED.run(this, stretches, threads);
    }

    @Override
    public void prepare(int participant) {
        Blocks cut = blocks();
        Coefficients own = ofThread[participant];
        if (pass == Pass.INFER) {
            own.reserve(cut.width);
            own.forTransform(gamma, beta, mean, variance, eps, cut.features);
            own.expandForTransform(own, cut);
            return;
        }
        if (!cut.isExpanded()) {
            return;
        }
        own.reserve(cut.width);
        switch (pass) {
            case COLLECT_STATISTICS, REDUCE_GRADIENTS -> cut.expand(coefficients.centre, own.centre);
            case TRANSFORM -> own.expandForTransform(coefficients, cut);
            case INPUT_GRADIENT -> own.expandForInputGradient(coefficients, cut);
            default -> {}
        }
    }

    private Coefficients coefficientsFor(int participant) {
        return pass == Pass.INFER || blocks().isExpanded() ? ofThread[participant] : coefficients;
    }

    @Override
    public void run(int block, int participant) {
        switch (pass) {
            case COLLECT_STATISTICS, REDUCE_GRADIENTS -> reduce(block, participant);
            case MERGE_STATISTICS, MERGE_GRADIENTS -> merge(block);
            case TRANSFORM, INFER, INPUT_GRADIENT -> map(block, participant);
        }
    }

    /** A value near each feature's mean, into {@code centre}. */
    private void sample(Blocks cut) {
        long spatial = cut.shape.spatial();
        if (cut.byRows) {
            int base = cut.features * cut.repeat;
            long dataRows = cut.rows * cut.fold + cut.looseRows;
            int samples = (int) Math.clamp(dataRows / ROWS_PER_SAMPLE, Math.min(dataRows, FEW_SAMPLES), SAMPLES);
            long apart = dataRows / samples * base;
            if (cut.repeat == 1) {
                kernels().collectStatistics().sampleRows(x, xStart, samples, apart, base, coefficients.centre);
            } else {
                sampleChannels(xStart, spatial, samples, apart);
            }
            return;
        }
        long imageApart = cut.features * spatial;
        // From one image after the other, each time further on in it; of few images, from one in the middle.
        boolean acrossImages = cut.rows >= SAMPLES / 2;
        int samples = acrossImages ? (int) Math.min(SAMPLES, cut.rows) : SAMPLES;
        long apart = spatial / samples + (acrossImages ? cut.rows / samples * imageApart : 0);
        sampleChannels(xStart + (acrossImages ? 0 : cut.rows / 2 * imageApart), spatial, samples, apart);
    }

    private void sampleChannels(long start, long channelApart, int samples, long apart) {
        for (int c = 0; c < blocks().features; c++) {
            coefficients.centre[c] = Shift.sample(x, start + c * channelApart, samples, apart);
        }
    }

    private void merge(int stretch) {
        Blocks cut = blocks();
        int from = (int) ((long) cut.features * stretch / stretches);
        int to = (int) ((long) cut.features * (stretch + 1) / stretches);
        if (pass == Pass.MERGE_STATISTICS) {
            MergeStatistics.run(cut, x, xStart, sums, products, coefficients.centre, eps, statistics(), from, to);
            coefficients.forTransform(gamma, beta, statistics(), from, to);
            return;
        }
        MergeGradients.run(cut, sums, products, statistics(), dgamma, dbeta, from, to);
        if (throughStatistics) {
            double perValue = 1.0 / cut.shape.valuesPerFeature();
            coefficients.forInputGradient(gamma, statistics(), sums[0], products[0], perValue, from, to);
        } else {
            coefficients.forFixedStatistics(gamma, statistics().rstd(), from, to);
        }
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
        float[] centre = coefficientsFor(participant).centre;
        long last = cut.endRow(part);
        for (long image = cut.firstRow(part); image < last; image += IMAGES_AT_ONCE) {
            int images = (int) Math.min(IMAGES_AT_ONCE, last - image);
            if (spatial <= Blocks.RUN) {
                reduceRuns(
                        centre,
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
                    reduceRuns(centre, run + s, images, imageApart, c, c + 1, spatial, length, sum, product);
                }
            }
        }
    }

    private void reduceRows(Blocks cut, int part, int participant, int from, int to, double[] sum, double[] product) {
        float[] centre = coefficientsFor(participant).centre;
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
                    centre,
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
            addRows(centre, rest * cut.width, 1, 0, rows, cut.width, from, to, columnSum, columnProduct);
        }
        if (cut.looseRows > 0 && part == cut.rowParts - 1) {
            int columns = cut.features * cut.repeat;
            addRows(centre, cut.rows * cut.width, 1, 0, cut.looseRows, columns, 0, columns, columnSum, columnProduct);
        }
        addColumns(cut, columnSum, from, to, sum);
        addColumns(cut, columnProduct, from, to, product);
    }

    private static void addColumns(Blocks cut, float[] columns, int from, int to, double[] sums) {
        cut.addColumns(columns, from, to, sums, Tile.current().a);
    }

    private void addRows(
            float[] centre,
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
            float[] centre,
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

    private void map(int block, int participant) {
        Blocks cut = blocks();
        Coefficients own = coefficientsFor(participant);
        int from = cut.firstFeature(block);
        int to = cut.endFeature(block);
        int part = cut.rowPartOf(block);
        long last = cut.endRow(part);
        if (cut.byRows) {
            int columns = cut.features * cut.repeat;
            int end = cut.fold > 1 ? cut.width : to * cut.repeat;
            long first = cut.firstRow(part);
            mapRows(own, first * cut.width, last - first, cut.width, from * cut.repeat, end);
            if (cut.looseRows > 0 && part == cut.rowParts - 1) {
                mapRows(own, cut.rows * cut.width, cut.looseRows, columns, 0, columns);
            }
            return;
        }
        long spatial = cut.shape.spatial();
        long imageApart = cut.features * spatial;
        long first = cut.firstRow(part);
        if (spatial <= Blocks.RUN) {
            mapRuns(own, first * imageApart + from * spatial, last - first, imageApart, from, to, spatial, (int)
                    spatial);
            return;
        }
        long firstPosition = cut.firstPosition(block);
        long endPosition = cut.endPosition(block);
        for (long image = first; image < last; image++) {
            for (int c = from; c < to; c++) {
                for (long s = firstPosition; s < endPosition; s += Blocks.MAPPED_RUN) {
                    int length = (int) Math.min(Blocks.MAPPED_RUN, endPosition - s);
                    mapRuns(own, image * imageApart + c * spatial + s, 1, imageApart, c, c + 1, spatial, length);
                }
            }
        }
    }

    private void mapRows(Coefficients own, long row, long rows, int width, int from, int to) {
        if (pass != Pass.INPUT_GRADIENT) {
            kernels().transform().rows(x, xStart + row, out, outStart + row, rows, width, from, to, own);
        } else {
            kernels()
                    .inputGradient()
                    .rows(x, xStart + row, second, secondStart + row, out, outStart + row, rows, width, from, to, own);
        }
    }

    private void mapRuns(
            Coefficients own, long run, long images, long imageApart, int from, int to, long channelApart, int length) {
        if (pass != Pass.INPUT_GRADIENT) {
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
                            own);
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
                            own);
        }
    }

    private void reserveSums(Blocks cut) {
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

    private BatchStatistics statistics() {
        return Objects.requireNonNull(statistics);
    }

    private Kernels kernels() {
        return Objects.requireNonNull(kernels);
    }
}

package org.batchnorm.cpu;

import java.util.Arrays;
import java.util.Objects;
import org.batchnorm.spi.BatchStatistics;
import org.jspecify.annotations.Nullable;

/**
 * One operation under way: its data, its scratch memory and what its passes do with one block. Executions are used
 * again ({@link Executions}), so that an operation allocates nothing.
 *
 * <pre>
 *   collectStatistics:  sample ─▶ [reduce]* ─▶ [merge]°
 *   forward:            sample ─▶ [reduce]* ─▶ [merge]° ─▶ [map]*    or    [sample ─▶ reduce ─▶ merge ─▶ map]‡
 *   inference:                                             [map]*
 *   backward:                     [reduce]* ─▶ [merge]° ─▶ [map]*    or              [reduce ─▶ merge ─▶ map]‡
 * </pre>
 *
 * In blocks*, in stretches of the features° or in groups of features‡, on several threads; few partial sums every
 * thread merges for itself. The map takes the blocks in the opposite order.
 */
final class Execution implements WorkerPool.Task {
    private enum Operation {
        COLLECT_STATISTICS,
        FORWARD,
        INFERENCE,
        BACKWARD
    }

    private enum Pass {
        REDUCE,
        MERGE,
        MAP,
        ALL
    }

    private static final Object NOTHING = new Object();
    private static final float[] EMPTY = {};
    private static final int SAMPLES = 16;
    private static final int ROWS_PER_SAMPLE = 32;
    private static final int FEW_SAMPLES = 4;
    private static final int IMAGES_AT_ONCE = 4;

    /** Up to so many partial sums every thread adds up for itself. */
    private static final int FEW_PARTIALS = 4;

    /** Fewer features than this are merged sooner than another core hears of them. */
    private static final int MERGED_FEATURES = 256;

    private @Nullable Kernels kernels;
    private @Nullable Blocks blocks;
    private int threads;
    private Operation operation = Operation.FORWARD;
    private Pass pass = Pass.ALL;
    private Object x = NOTHING;
    private long xStart;
    private Object second = NOTHING;
    private long secondStart;
    private Object out = NOTHING;
    private long outStart;

    private float[] gamma = EMPTY;
    private float[] beta = EMPTY;
    private float[] mean = EMPTY;
    private float[] variance = EMPTY;
    private double eps;
    private @Nullable BatchStatistics statistics;
    private boolean throughStatistics;
    private float[] dgamma = EMPTY;
    private float[] dbeta = EMPTY;

    /** Of the C features. */
    private final Coefficients coefficients = new Coefficients();

    private OwnMemory[] ofThread = {};

    private float[] ones = EMPTY;
    private float[] zeros = EMPTY;

    /** The stretches of a merge, or the groups of all passes. */
    private int featureParts;

    /**
     * Whether every thread merges all features for itself, before its map: where there is little to add, that is sooner
     * done than fetched from another core.
     */
    private boolean mergedByAll;

    private final PartialSums sums = new PartialSums();
    private final PartialSums products = new PartialSums();

    /** Prepares for an operation; x is its first input. */
    void begin(Kernels kernels, Blocks blocks, int threads, Object x, long xStart) {
        this.kernels = kernels;
        this.blocks = blocks;
        this.threads = threads;
        this.x = x;
        this.xStart = xStart;
        mergedByAll = false;
        coefficients.reserve(blocks.features);
        int have = ofThread.length;
        if (have < threads) {
            ofThread = Arrays.copyOf(ofThread, threads);
            for (int i = have; i < threads; i++) {
                ofThread[i] = new OwnMemory();
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
        gamma = EMPTY;
        beta = EMPTY;
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
        operation = Operation.COLLECT_STATISTICS;
        this.eps = eps;
        this.statistics = statistics;
        gamma = ones();
        beta = zeros();
        reserveSums(blocks());
        sample(0, blocks().features);
        runOnBlocks(Pass.REDUCE);
        merge();
    }

    /** The operation {@code forward}. */
    void forward(float @Nullable [] gamma, float @Nullable [] beta, double eps, BatchStatistics statistics) {
        operation = Operation.FORWARD;
        this.gamma = gamma == null ? ones() : gamma;
        this.beta = beta == null ? zeros() : beta;
        this.eps = eps;
        this.statistics = statistics;
        runAllPasses(1);
    }

    /** The operation {@code inference}. */
    void inference(float @Nullable [] gamma, float @Nullable [] beta, float[] mean, float[] variance, double eps) {
        operation = Operation.INFERENCE;
        this.gamma = gamma == null ? ones() : gamma;
        this.beta = beta == null ? zeros() : beta;
        this.mean = mean;
        this.variance = variance;
        this.eps = eps;
        runOnBlocks(Pass.MAP);
    }

    /** The operation {@code transform} with statistics of a batch. */
    void transform(float @Nullable [] gamma, float @Nullable [] beta, BatchStatistics statistics) {
        operation = Operation.INFERENCE;
        this.gamma = gamma == null ? ones() : gamma;
        this.beta = beta == null ? zeros() : beta;
        this.statistics = statistics;
        runOnBlocks(Pass.MAP);
    }

    /** The operation {@code reduceGradients}. */
    void reduceGradients(BatchStatistics statistics, float[] dgamma, float[] dbeta) {
        operation = Operation.BACKWARD;
        gamma = ones();
        this.statistics = statistics;
        this.dgamma = dgamma;
        this.dbeta = dbeta;
        System.arraycopy(statistics.mean(), 0, coefficients.centre, 0, blocks().features);
        reserveSums(blocks());
        runOnBlocks(Pass.REDUCE);
        merge();
    }

    /** The operation {@code backward}. */
    void backward(
            float @Nullable [] gamma,
            BatchStatistics statistics,
            boolean throughStatistics,
            float[] dgamma,
            float[] dbeta) {
        operation = Operation.BACKWARD;
        this.gamma = gamma == null ? ones() : gamma;
        this.statistics = statistics;
        this.throughStatistics = throughStatistics;
        this.dgamma = dgamma;
        this.dbeta = dbeta;
        System.arraycopy(statistics.mean(), 0, coefficients.centre, 0, blocks().features);
        runAllPasses(2);
    }

    private void runAllPasses(int inputs) {
        reserveSums(blocks());
        int groups = blocks().groups(inputs, threads);
        if (groups > 0) {
            runOnFeatures(Pass.ALL, groups);
            return;
        }
        if (operation == Operation.FORWARD) {
            sample(0, blocks().features);
        }
        int partials = blocks().partials();
        // A merge may read x again, which nobody may then have overwritten.
        boolean needsX = operation == Operation.FORWARD && Memory.mayOverlap(x, out);
        mergedByAll = threads > 1 && partials > 1 && partials <= FEW_PARTIALS && !needsX;
        runOnBlocks(Pass.REDUCE);
        if (!mergedByAll) {
            merge();
        }
        runOnBlocks(Pass.MAP);
    }

    private void merge() {
        runOnFeatures(Pass.MERGE, Math.clamp(blocks().features / MERGED_FEATURES, 1, threads));
    }

    /** A map begins with the blocks that were reduced last, which are still in the caches. */
    private void runOnBlocks(Pass next) {
        pass = next;
        WorkerPool.SHARED.run(this, blocks().count(), threads, next == Pass.MAP);
    }

    private void runOnFeatures(Pass next, int parts) {
        pass = next;
        featureParts = parts;
        WorkerPool.SHARED.run(this, parts, threads, false);
    }

    @Override
    public void prepare(int participant) {
        Blocks cut = blocks();
        OwnMemory own = ofThread[participant];
        Coefficients its = own.coefficients;
        if (pass == Pass.REDUCE && cut.isExpanded()) {
            its.reserve(cut.width);
            cut.expand(coefficients.centre, its.centre);
        }
        if (pass != Pass.MAP) {
            return;
        }
        if (operation == Operation.INFERENCE) {
            its.reserve(cut.width);
            if (statistics != null) {
                its.forTransform(gamma, beta, statistics, 0, cut.features);
            } else {
                its.forTransform(gamma, beta, mean, variance, eps, cut.features);
            }
            its.expandForTransform(its, cut);
            return;
        }
        Coefficients ofFeatures = coefficients;
        if (mergedByAll) {
            its.reserve(cut.width);
            System.arraycopy(coefficients.centre, 0, its.centre, 0, cut.features);
            mergeAll(own, participant == 0);
            ofFeatures = its;
        }
        if (cut.isExpanded()) {
            its.reserve(cut.width);
            if (isInputGradient()) {
                its.expandForInputGradient(ofFeatures, cut);
            } else {
                its.expandForTransform(ofFeatures, cut);
            }
        }
    }

    private Coefficients coefficientsFor(int participant) {
        boolean own = blocks().isExpanded() || (pass == Pass.MAP && (operation == Operation.INFERENCE || mergedByAll));
        return own ? ofThread[participant].coefficients : coefficients;
    }

    /** Whether the map is {@link InputGradient}; else it is {@link Transform}, in the backward operation of dy. */
    private boolean isInputGradient() {
        return operation == Operation.BACKWARD && throughStatistics;
    }

    @Override
    public void run(int part, int participant) {
        Blocks cut = blocks();
        switch (pass) {
            case REDUCE -> reduce(cut.partialOf(part), cut.firstFeature(part), cut.endFeature(part), participant);
            case MERGE -> merge(firstFeature(part), firstFeature(part + 1));
            case MAP -> map(cut.partialOf(part), cut.firstFeature(part), cut.endFeature(part), participant);
            case ALL -> runAll(firstFeature(part), firstFeature(part + 1), participant);
        }
    }

    private int firstFeature(int part) {
        return blocks().firstFeature(part, featureParts);
    }

    /** All passes of the features {@code from} to {@code to}. */
    private void runAll(int from, int to, int participant) {
        int partials = blocks().partials();
        if (operation == Operation.FORWARD) {
            sample(from, to);
        }
        for (int partial = 0; partial < partials; partial++) {
            reduce(partial, from, to, participant);
        }
        merge(from, to);
        for (int partial = 0; partial < partials; partial++) {
            map(partial, from, to, participant);
        }
    }

    /** A value near each feature's mean, into {@code centre}, for the features {@code from} to {@code to}. */
    private void sample(int from, int to) {
        Blocks cut = blocks();
        if (cut.byRows && cut.repeat == 1) {
            int samples = samplesOfRows(cut);
            long apart = cut.dataRows() / samples * cut.features;
            kernels().collectStatistics().sampleRows(x, xStart, samples, apart, from, to, coefficients.centre);
        } else {
            sampleChannels(cut, from, to);
        }
    }

    private static int samplesOfRows(Blocks cut) {
        long rows = cut.dataRows();
        return (int) Math.clamp(rows / ROWS_PER_SAMPLE, Math.min(rows, FEW_SAMPLES), SAMPLES);
    }

    /** The same of channels-first data. */
    private void sampleChannels(Blocks cut, int from, int to) {
        long spatial = cut.shape.spatial();
        long imageApart = cut.features * spatial;
        if (cut.byRows) {
            int samples = samplesOfRows(cut);
            sampleChannels(xStart, spatial, samples, cut.dataRows() / samples * imageApart, from, to);
            return;
        }
        // From one image after the other, each time further on in it; of few images, from one in the middle.
        boolean acrossImages = cut.rows >= SAMPLES / 2;
        int samples = acrossImages ? (int) Math.min(SAMPLES, cut.rows) : SAMPLES;
        long apart = spatial / samples + (acrossImages ? cut.rows / samples * imageApart : 0);
        long start = xStart + (acrossImages ? 0 : cut.rows / 2 * imageApart);
        sampleChannels(start, spatial, samples, apart, from, to);
    }

    private void sampleChannels(long start, long channelApart, int samples, long apart, int from, int to) {
        for (int c = from; c < to; c++) {
            coefficients.centre[c] = Shift.sample(x, start + c * channelApart, samples, apart);
        }
    }

    /** Merges features of which no other thread merges any. */
    private void merge(int from, int to) {
        merge(sums.total(from, to), products.total(from, to), statistics(), dgamma, dbeta, coefficients, from, to);
    }

    /**
     * Merges all features into a thread's own coefficients.
     *
     * @param isCaller whether the operation's results are to be written; else they go to the thread's own memory, so
     *     that no two threads write the same
     */
    private void mergeAll(OwnMemory own, boolean isCaller) {
        int features = blocks().features;
        own.reserve(features);
        sums.total(own.sum, 0, features);
        products.total(own.product, 0, features);
        boolean readsStatistics = operation == Operation.BACKWARD;
        BatchStatistics ofBatch = isCaller || readsStatistics ? statistics() : own.statistics;
        float[] itsDgamma = isCaller ? dgamma : own.dgamma;
        float[] itsDbeta = isCaller ? dbeta : own.dbeta;
        merge(own.sum, own.product, ofBatch, itsDgamma, itsDbeta, own.coefficients, 0, features);
    }

    private void merge(
            double[] sum,
            double[] product,
            BatchStatistics ofBatch,
            float[] itsDgamma,
            float[] itsDbeta,
            Coefficients into,
            int from,
            int to) {
        Blocks cut = blocks();
        if (operation != Operation.BACKWARD) {
            kernels().mergeStatistics().run(cut, x, xStart, sum, product, eps, gamma, beta, ofBatch, into, from, to);
            return;
        }
        double perValue = 1.0 / cut.shape.valuesPerFeature();
        kernels().mergeGradients().run(perValue, sum, product, gamma, ofBatch, itsDgamma, itsDbeta, into, from, to);
        if (!throughStatistics) {
            into.forFixedStatistics(gamma, ofBatch.rstd(), from, to);
        }
    }

    private void reduce(int partial, int from, int to, int participant) {
        Blocks cut = blocks();
        sums.clear(partial, participant, from, to);
        products.clear(partial, participant, from, to);
        float[] centre = coefficientsFor(participant).centre;
        if (cut.byRows) {
            reduceRows(partial, from, to, centre, participant);
            return;
        }
        double[] sum = sums.features(partial);
        double[] product = products.features(partial);
        int part = cut.rowPartOf(partial);
        long spatial = cut.shape.spatial();
        long imageApart = cut.features * spatial;
        long firstPosition = cut.firstPosition(partial);
        long endPosition = cut.endPosition(partial);
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

    private void reduceRows(int partial, int fromFeature, int toFeature, float[] centre, int participant) {
        Blocks cut = blocks();
        float[] columnSum = sums.columns(partial, participant);
        float[] columnProduct = products.columns(partial, participant);
        int from = cut.firstColumn(fromFeature);
        int to = cut.endColumn(toFeature);
        int part = cut.rowPartOf(partial);
        int streams = operation != Operation.BACKWARD
                ? kernels().collectStatistics().streams(cut.isCached(2))
                : kernels().reduceGradients().streams(cut.isCached(3));
        int atOnce = Blocks.ROWS / streams;
        long first = cut.firstRow(part);
        long ofStream = Blocks.rowsOfStream(cut.endRow(part) - first, streams);
        for (long r = 0; r < ofStream; r += atOnce) {
            if (r > 0) {
                sums.endLot(partial, participant, fromFeature, toFeature);
                products.endLot(partial, participant, fromFeature, toFeature);
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
        sums.endLot(partial, participant, fromFeature, toFeature);
        products.endLot(partial, participant, fromFeature, toFeature);
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
        if (operation != Operation.BACKWARD) {
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
        if (operation != Operation.BACKWARD) {
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

    private void map(int partial, int from, int to, int participant) {
        Blocks cut = blocks();
        Coefficients own = coefficientsFor(participant);
        int part = cut.rowPartOf(partial);
        long last = cut.endRow(part);
        if (cut.byRows) {
            int columns = cut.features * cut.repeat;
            long first = cut.firstRow(part);
            mapRows(own, first * cut.width, last - first, cut.width, cut.firstColumn(from), cut.endColumn(to));
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
        long firstPosition = cut.firstPosition(partial);
        long endPosition = cut.endPosition(partial);
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
        if (isInputGradient()) {
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
                            blocks().isCached(3),
                            own);
        } else {
            kernels()
                    .transform()
                    .rows(
                            mapped(),
                            mappedStart() + row,
                            out,
                            outStart + row,
                            rows,
                            width,
                            from,
                            to,
                            blocks().isNear(2),
                            own);
        }
    }

    private void mapRuns(
            Coefficients own, long run, long images, long imageApart, int from, int to, long channelApart, int length) {
        if (isInputGradient()) {
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
        } else {
            kernels()
                    .transform()
                    .runs(
                            mapped(),
                            mappedStart() + run,
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

    /** What stands for gamma where there is none. */
    private float[] ones() {
        if (ones.length < blocks().features) {
            ones = new float[blocks().features];
            Arrays.fill(ones, 1);
        }
        return ones;
    }

    /** What stands for beta where there is none. */
    private float[] zeros() {
        if (zeros.length < blocks().features) {
            zeros = new float[blocks().features];
        }
        return zeros;
    }

    private Object mapped() {
        return operation == Operation.BACKWARD ? second : x;
    }

    private long mappedStart() {
        return operation == Operation.BACKWARD ? secondStart : xStart;
    }

    private void reserveSums(Blocks cut) {
        sums.reserve(cut, threads);
        products.reserve(cut, threads);
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

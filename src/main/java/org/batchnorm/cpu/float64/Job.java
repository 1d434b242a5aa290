package org.batchnorm.cpu.float64;

import java.util.Arrays;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicReference;
import org.batchnorm.cpu.cut.Cut;
import org.batchnorm.cpu.cut.CutPolicy;
import org.batchnorm.cpu.pass.WorkerPool;
import org.batchnorm.data.Batch;
import org.batchnorm.spi.Activations;
import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Moments;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * One operation under way: its tensors, its sums and its coefficients. Used again for others, so that an operation
 * allocates nothing but for a larger batch.
 *
 * <p>Either all threads go through the whole batch together, pass after pass, or each takes a group of features through
 * all passes, and finds in its cache what it reads the second time. The bits are the same.
 */
final class Job implements WorkerPool.Task, AutoCloseable {

    /** An operation, on some of the features. */
    private interface Steps {
        /**
         * Takes them through all passes.
         *
         * @param lanes of the thread
         */
        void take(int from, int to, Lanes lanes);
    }

    private final AtomicReference<@Nullable Job> spare;

    final Coefficients coefficients = new Coefficients();
    final Sums sums = new Sums();
    Cut cut = Cut.NONE;
    private int threads = 1;
    private Lanes[] ofThread = {};
    private double[] m2 = {};

    private @Nullable Tensors tensors;
    private @Nullable Normalization normalization;
    private @Nullable Moments moments;
    private @Nullable GradientSums gradients;
    Activations activations = Activations.NONE;

    /** Whether {@link #gradient} has yet to pass an activation, whose sign is that of BN(input(x)). */
    boolean differentiatesOutput;

    /** Whether x is y, of which z is made in the place of input(x). */
    boolean fromOutput;

    /** Whether gradients pass through the statistics, too. */
    boolean throughStatistics;

    /** Into how many groups the features are divided; 0: all threads go together. */
    private int groups;

    private @Nullable Steps ofGroup;

    private final Steps collectStatistics = this::collectStatistics;
    private final Steps forward = this::forward;
    private final Steps onlyTransform = this::transform;
    private final Steps onlyReduceGradients = this::reduceGradients;
    private final Steps onlyInputGradient = this::inputGradient;
    private final Steps backward = this::backward;

    private final Passes.SumOfX sumOfX = new Passes.SumOfX(this);
    private final Passes.Squares squares = new Passes.Squares(this);
    private final Passes.Transform transform = new Passes.Transform(this);
    private final Passes.SumOfGradient sumOfGradient = new Passes.SumOfGradient(this);
    private final Passes.Products products = new Passes.Products(this);
    private final Passes.InputGradient inputGradient = new Passes.InputGradient(this);

    /**
     * Takes nothing yet.
     *
     * @param spare where it waits between operations
     */
    Job(AtomicReference<@Nullable Job> spare) {
        this.spare = spare;
    }

    /** Takes a batch. */
    Job of(Tensors newTensors, Cut newCut, int offeredThreads) {
        cut = newCut;
        tensors = newTensors;
        activations = newTensors.activations();
        fromOutput = newTensors.isFromOutput();
        threads = newTensors.areAccessibleBy(WorkerPool.STRANGER) ? CutPolicy.threads(cut, offeredThreads) : 1;
        coefficients.reserve(cut.features);
        sums.reserve(cut);
        int have = ofThread.length;
        if (have < threads) {
            ofThread = Arrays.copyOf(ofThread, threads);
            Arrays.setAll(ofThread, i -> i < have ? ofThread[i] : new Lanes());
        }
        if (m2.length < cut.features) {
            m2 = new double[cut.features];
        }
        return this;
    }

    /** Lets go of the caller's memory, and waits for the next operation. */
    @Override
    public void close() {
        tensors = null;
        normalization = null;
        moments = null;
        gradients = null;
        spare.set(this);
    }

    Lanes lanes(int participant) {
        return ofThread[participant];
    }

    Tensors tensors() {
        return Objects.requireNonNull(tensors);
    }

    Batch x() {
        return tensors().x();
    }

    /** The gradient by y, or that by the sum with a residual, which has passed the activation. */
    Batch gradient() {
        Batch dresidual = tensors().dresidual();
        return dresidual == null ? tensors().dy() : dresidual;
    }

    private Normalization normalization() {
        return Objects.requireNonNull(normalization);
    }

    private GradientSums gradients() {
        return Objects.requireNonNull(gradients);
    }

    // ---- operations

    void collectStatistics(Moments into) {
        moments = into;
        run(collectStatistics, 1);
        into.count(cut.shape.valuesPerFeature());
    }

    void forward(Normalization n) {
        normalization = n;
        run(forward, 1);
        n.statistics().count(cut.shape.valuesPerFeature());
    }

    void transform(Normalization n) {
        normalization = n;
        together(onlyTransform);
    }

    void reduceGradients(Normalization n, GradientSums into) {
        takeGradient(n, into);
        into.count(cut.shape.valuesPerFeature());
        run(onlyReduceGradients, 2);
    }

    void inputGradient(Normalization n, GradientSums of) {
        takeGradient(n, of);
        together(onlyInputGradient);
    }

    void backward(Normalization n, GradientSums into) {
        takeGradient(n, into);
        into.count(cut.shape.valuesPerFeature());
        run(backward, 2);
    }

    private void takeGradient(Normalization n, GradientSums newGradients) {
        normalization = n;
        gradients = newGradients;
        throughStatistics = n.throughStatistics();
        differentiatesOutput =
                tensors().dresidual() == null && !activations.output().isNone();
    }

    private void run(Steps operation, int inputs) {
        groups = CutPolicy.groups(cut, inputs * Double.BYTES / Float.BYTES, threads);
        if (groups == 0) {
            together(operation);
            return;
        }
        ofGroup = operation;
        WorkerPool.SHARED.run(this, groups, threads, false);
    }

    private void together(Steps operation) {
        groups = 0;
        operation.take(0, cut.features, lanes(0));
    }

    @Override
    public void run(int group, int participant) {
        int from = cut.firstFeature(group, groups);
        Objects.requireNonNull(ofGroup).take(from, cut.firstFeature(group + 1, groups), lanes(participant));
    }

    /** @param again whether the pass before has left its last blocks in the caches */
    private void pass(BlockPass pass, int from, int to, Lanes lanes, boolean again) {
        if (groups == 0) {
            WorkerPool.SHARED.run(pass, cut.count(), threads, again);
            return;
        }
        for (int partial = 0; partial < cut.partials(); partial++) {
            pass.run(partial, from, to, lanes);
        }
    }

    // ---- statistics

    /**
     * Finds the mean and {@code m2 = Σ (x − mean)²} of each feature. Where float64 does not hold the sums, once more in
     * larger units.
     */
    private void reduceStatistics(int from, int to, Lanes lanes) {
        coefficients.setUnit(1, from, to);
        if (!reduceInUnits(from, to, lanes)) {
            for (int c = from; c < to; c++) {
                coefficients.unit[c] = Double.isFinite(m2[c]) ? 1 : Coefficients.LARGE_UNIT;
            }
            reduceInUnits(from, to, lanes);
        }
    }

    /** Returns whether all are finite. */
    private boolean reduceInUnits(int from, int to, Lanes lanes) {
        Pair pair = lanes.pair;
        double m = cut.shape.valuesPerFeature();
        pass(sumOfX, from, to, lanes, false);
        for (int c = from; c < to; c++) {
            sums.total(c, pair).divide(m);
            coefficients.mean[c] = pair.high;
            coefficients.meanLow[c] = pair.low;
        }
        pass(squares, from, to, lanes, true);
        boolean finite = true;
        for (int c = from; c < to; c++) {
            // Those about one double are of distances that add up to m · meanLow.
            double low = coefficients.meanLow[c];
            m2[c] = sums.total(c, pair).high - m * (low * low);
            finite &= Double.isFinite(m2[c]);
        }
        return finite;
    }

    private void collectStatistics(int from, int to, Lanes lanes) {
        reduceStatistics(from, to, lanes);
        Moments into = Objects.requireNonNull(moments);
        for (int c = from; c < to; c++) {
            double unit = coefficients.unit[c];
            into.mean()[c] = coefficients.mean[c] / unit;
            into.meanLow()[c] = coefficients.meanLow[c] / unit;
            into.m2()[c] = m2[c] / unit / unit;
        }
    }

    private void forward(int from, int to, Lanes lanes) {
        reduceStatistics(from, to, lanes);
        BatchStatistics statistics = normalization().statistics();
        double eps = normalization().eps();
        double m = cut.shape.valuesPerFeature();
        for (int c = from; c < to; c++) {
            double unit = coefficients.unit[c];
            double inUnits = m2[c] / m;
            double variance = inUnits / unit / unit;
            statistics.doubleMean()[c] = coefficients.mean[c] / unit;
            statistics.doubleMeanLow()[c] = coefficients.meanLow[c] / unit;
            statistics.doubleVariance()[c] = variance;
            // Of a variance that float64 does not hold, it holds the root; eps is nothing beside it.
            statistics.doubleRstd()[c] =
                    Double.isInfinite(variance) ? unit / Math.sqrt(inUnits) : 1 / Math.sqrt(variance + eps);
        }
        transform(from, to, lanes);
    }

    private void transform(int from, int to, Lanes lanes) {
        coefficients.setTransform(normalization(), from, to);
        pass(transform, from, to, lanes, false);
    }

    // ---- gradients

    private void backward(int from, int to, Lanes lanes) {
        reduceGradients(from, to, lanes);
        inputGradient(from, to, lanes);
    }

    private void reduceGradients(int from, int to, Lanes lanes) {
        coefficients.setBackward(normalization(), fromOutput, from, to);
        pass(sumOfGradient, from, to, lanes, false);
        GradientSums into = gradients();
        Pair pair = lanes.pair;
        for (int c = from; c < to; c++) {
            sums.total(c, pair);
            into.dbeta()[c] = pair.high;
            into.dbetaLow()[c] = pair.low;
        }
        // About the mean of these very values the distances add up to 0, and a constant that dy has does not count.
        BatchStatistics statistics = normalization().statistics();
        Moments part = statistics.part();
        boolean aboutBatchMean = throughStatistics && statistics.count() == into.count();
        coefficients.setCentre(into, aboutBatchMean || part != null, from, to);
        pass(products, from, to, lanes, true);
        for (int c = from; c < to; c++) {
            into.dgamma()[c] = sums.total(c, pair).high;
            if (part != null) {
                // About the mean of more values it counts by what the distances add up to.
                double apart = statistics.distance(part.mean()[c], part.meanLow()[c], c);
                into.dgamma()[c] += coefficients.dyMean[c] * (into.count() * apart * statistics.rstd(c));
            }
        }
    }

    private void inputGradient(int from, int to, Lanes lanes) {
        coefficients.setBackward(normalization(), fromOutput, from, to);
        coefficients.setInputGradient(normalization(), gradients(), lanes.pair, from, to);
        pass(inputGradient, from, to, lanes, false);
    }
}

package org.batchnorm.cpu.float64;

import java.util.Arrays;
import java.util.Objects;
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
 */
final class Job {
    final Coefficients coefficients = new Coefficients();
    final Sums sums = new Sums();
    Cut cut = Cut.NONE;
    private int threads = 1;
    private Lanes[] ofThread = {};
    private final Pair pair = new Pair();
    private double[] m2 = {};

    private @Nullable Batch x;
    private @Nullable Batch dy;
    Activations activations = Activations.NONE;

    /** Whether the gradient by y has yet to pass an activation, whose sign is that of BN(input(x)). */
    boolean differentiatesOutput;

    /** Whether x is y, of which z is made in the place of input(x). */
    boolean fromOutput;

    private final Passes.SumOfX sumOfX = new Passes.SumOfX(this);
    private final Passes.Squares squares = new Passes.Squares(this);
    private final Passes.Transform transform = new Passes.Transform(this);
    private final Passes.SumOfGradient sumOfGradient = new Passes.SumOfGradient(this);
    private final Passes.Products products = new Passes.Products(this);
    private final Passes.InputGradient inputGradient = new Passes.InputGradient(this);

    /** Takes a batch. */
    Job of(Tensors tensors, Cut newCut, int offeredThreads) {
        cut = newCut;
        x = tensors.x();
        activations = tensors.activations();
        fromOutput = tensors.isFromOutput();
        threads = tensors.areAccessibleBy(WorkerPool.STRANGER) ? CutPolicy.threads(cut, offeredThreads) : 1;
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

    /** Lets go of the caller's memory. */
    void end() {
        x = null;
        dy = null;
        transform.set(null, null);
        sumOfGradient.set(null, null);
        inputGradient.set(null, false);
    }

    Lanes lanes(int participant) {
        return ofThread[participant];
    }

    Batch x() {
        return Objects.requireNonNull(x);
    }

    Batch dy() {
        return Objects.requireNonNull(dy);
    }

    private void run(BlockPass pass) {
        WorkerPool.SHARED.run(pass, cut.count(), threads, false);
    }

    // ---- statistics

    /**
     * Finds the mean and {@code m2 = Σ (x − mean)²} of each feature. Where float64 does not hold the sums, once more in
     * larger units.
     */
    private void reduceStatistics() {
        coefficients.setUnit(1, cut.features);
        if (!reduceInUnits()) {
            for (int c = 0; c < cut.features; c++) {
                coefficients.unit[c] = Double.isFinite(m2[c]) ? 1 : Coefficients.LARGE_UNIT;
            }
            reduceInUnits();
        }
    }

    /** Returns whether all are finite. */
    private boolean reduceInUnits() {
        run(sumOfX);
        double m = cut.shape.valuesPerFeature();
        for (int c = 0; c < cut.features; c++) {
            sums.total(c, pair).divide(m);
            coefficients.mean[c] = pair.high;
            coefficients.meanLow[c] = pair.low;
        }
        run(squares);
        boolean finite = true;
        for (int c = 0; c < cut.features; c++) {
            m2[c] = sums.total(c, pair).high;
            finite &= Double.isFinite(m2[c]);
        }
        return finite;
    }

    void collectStatistics(Moments moments) {
        reduceStatistics();
        for (int c = 0; c < cut.features; c++) {
            double unit = coefficients.unit[c];
            moments.mean()[c] = coefficients.mean[c] / unit;
            moments.meanLow()[c] = coefficients.meanLow[c] / unit;
            moments.m2()[c] = m2[c] / unit / unit;
        }
        moments.count(cut.shape.valuesPerFeature());
    }

    void forward(Tensors tensors, Normalization normalization) {
        reduceStatistics();
        BatchStatistics statistics = normalization.statistics();
        long m = cut.shape.valuesPerFeature();
        for (int c = 0; c < cut.features; c++) {
            double unit = coefficients.unit[c];
            double inUnits = m2[c] / m;
            double variance = inUnits / unit / unit;
            statistics.doubleMean()[c] = coefficients.mean[c] / unit;
            statistics.doubleMeanLow()[c] = coefficients.meanLow[c] / unit;
            statistics.doubleVariance()[c] = variance;
            // Of a variance that float64 does not hold, it holds the root; eps is nothing beside it.
            statistics.doubleRstd()[c] = Double.isInfinite(variance)
                    ? unit / Math.sqrt(inUnits)
                    : 1 / Math.sqrt(variance + normalization.eps());
        }
        statistics.count(m);
        transform(tensors, normalization);
    }

    void transform(Tensors tensors, Normalization normalization) {
        coefficients.setTransform(normalization);
        transform.set(tensors.residual(), tensors.y());
        run(transform);
    }

    // ---- gradients

    void reduceGradients(Tensors tensors, Normalization normalization, GradientSums into) {
        coefficients.setBackward(normalization, fromOutput);
        takeGradient(tensors.dy(), true);
        Batch dresidual = tensors.dresidual();
        sumOfGradient.set(dresidual == null ? null : tensors.y(), dresidual);
        run(sumOfGradient);
        long m = cut.shape.valuesPerFeature();
        into.count(m);
        for (int c = 0; c < cut.features; c++) {
            sums.total(c, pair);
            into.dbeta()[c] = pair.high;
            into.dbetaLow()[c] = pair.low;
        }
        if (dresidual != null) {
            takeGradient(dresidual, false);
        }
        // About the mean of these very values the distances add up to 0, and a constant that dy has does not count.
        boolean aboutBatchMean =
                normalization.throughStatistics() && normalization.statistics().count() == m;
        coefficients.setCentre(into, aboutBatchMean);
        run(products);
        for (int c = 0; c < cut.features; c++) {
            into.dgamma()[c] = sums.total(c, pair).high;
        }
    }

    void inputGradient(Tensors tensors, Normalization normalization, GradientSums gradients) {
        coefficients.setBackward(normalization, fromOutput);
        Batch dresidual = tensors.dresidual();
        takeGradient(dresidual == null ? tensors.dy() : dresidual, dresidual == null);
        coefficients.setInputGradient(normalization, gradients);
        inputGradient.set(tensors.dx(), normalization.throughStatistics());
        run(inputGradient);
    }

    /** Takes a gradient by y, or one by the sum with the residual, which has passed the activation. */
    private void takeGradient(Batch gradient, boolean ofOutput) {
        dy = gradient;
        differentiatesOutput = ofOutput && !activations.output().isNone();
    }
}

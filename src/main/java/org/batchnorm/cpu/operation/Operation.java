package org.batchnorm.cpu.operation;

import java.util.Arrays;
import org.batchnorm.cpu.cut.Cut;
import org.batchnorm.cpu.cut.CutPolicy;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.Conversions;
import org.batchnorm.cpu.kernel.Elementwise;
import org.batchnorm.cpu.kernel.Kernels;
import org.batchnorm.cpu.kernel.Operands;
import org.batchnorm.cpu.kernel.PerFeature;
import org.batchnorm.cpu.kernel.Reduction;
import org.batchnorm.cpu.kernel.Rows;
import org.batchnorm.cpu.kernel.Sums;
import org.batchnorm.cpu.kernel.Suspects;
import org.batchnorm.cpu.kernel.Wide;
import org.batchnorm.cpu.kernel.scalar.ResidualReduction;
import org.batchnorm.data.Batch;
import org.batchnorm.spi.Activation;
import org.batchnorm.spi.Activations;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * An operation: which tensors are reduced, what their sums become, and which tensors are mapped. The passes ask it; it
 * knows nothing of threads, and decides nothing about blocks. The same object serves one batch after another, so that
 * nothing is allocated for a batch: {@code of(…)} takes a batch, {@link #end()} lets go of it.
 */
public abstract class Operation {
    /** The tensors that are reduced. */
    public final Operands reduced = new Operands();

    /** The tensors that are mapped. */
    public final Operands mapped = new Operands();

    /** The parameters of the features, and where their results go. */
    public final PerFeature features = new PerFeature();

    /** Where there is a residual whose gradient is wanted: y, dy, and as the output dresidual. */
    private final Operands residual = new Operands();

    private final Coefficients identity = new Coefficients();
    private boolean hasResidualGradient;

    private final Coefficients forward = new Coefficients();
    private final Coefficients forwardOfColumns = new Coefficients();
    private final OutputStatistics ofOutput = new OutputStatistics();
    private @Nullable Kernels kernels;
    private float[] ones = {};
    private float[] zeros = {};

    private final boolean reduces;
    private final boolean maps;

    Operation(boolean reduces, boolean maps) {
        this.reduces = reduces;
        this.maps = maps;
    }

    /** Whether values are reduced, and their sums merged. */
    public final boolean reduces() {
        return reduces;
    }

    /** Whether values are mapped. */
    public final boolean maps() {
        return maps;
    }

    /**
     * Finds the shift of the features {@code from} to {@code to}: a value near the mean, for the reduction to subtract.
     *
     * @param scratch the rows of the thread that asks
     * @param into out: the shift, and where dy is reduced too, its shift
     */
    public void prepareShift(Cut cut, Rows scratch, Coefficients into, int from, int to) {
        throw new UnsupportedOperationException(getClass().getSimpleName() + " reduces nothing");
    }

    /**
     * Turns the sums of the features {@code from} to {@code to} into results and into the coefficients of the map.
     *
     * @param f the parameters, and where results go; not always {@link #features}, as a thread that merges all features
     *     for itself has results of its own
     * @param into in: the shifts; out: the coefficients
     * @return whether the results of all these features stand; else {@link #mergeAgain} must make them anew
     */
    public boolean merge(Cut cut, Sums sums, PerFeature f, Coefficients into, int from, int to) {
        throw new UnsupportedOperationException(getClass().getSimpleName() + " reduces nothing");
    }

    /**
     * Moves the shift of those features that had better be reduced again about another one.
     *
     * @param c in and out: the shift
     * @return whether any was moved
     */
    public boolean movesShift(Sums sums, Coefficients c, int from, int to) {
        return false;
    }

    /**
     * Merges all the features once more, but for those whose sums are not to be relied on.
     *
     * @param suspects out: these, with what is to be subtracted from x
     */
    public void mergeAgain(Cut cut, Sums sums, PerFeature f, Coefficients into, Suspects suspects, int from, int to) {
        throw new UnsupportedOperationException(getClass().getSimpleName() + " reduces nothing");
    }

    /**
     * Merges the suspect features, of their sums in double precision. Those whose results stand are no longer suspect;
     * others are to be reduced about their mean, which is known by now.
     */
    public void mergeInDouble(PerFeature f, Coefficients into, Suspects suspects, int from, int to) {
        throw new UnsupportedOperationException(getClass().getSimpleName() + " reduces nothing");
    }

    /** Makes the coefficients of the map, for an operation that reduces nothing. */
    public void prepareMap(Cut cut, PerFeature f, Coefficients into) {
        throw new UnsupportedOperationException(getClass().getSimpleName() + " has its coefficients from its sums");
    }

    /** Whether suspect features are made of values that the map overwrites: where an output is an input. */
    public boolean mergeReadsWhatMapOverwrites() {
        return false;
    }

    /**
     * Whether the results are gradients, for which statistics are read; else, where values are reduced, they are made.
     */
    public boolean isGradient() {
        return false;
    }

    /** Whether all tensors may be used by any thread, not by the caller alone. */
    public final boolean isAccessibleBy(Thread thread) {
        return reduced.isAccessibleBy(thread) && mapped.isAccessibleBy(thread) && residual.isAccessibleBy(thread);
    }

    /** The kernel that reduces. */
    public final Reduction reduction() {
        return kernels().reduction(reduced);
    }

    /**
     * The same the first time, where the gradient of a residual is written.
     *
     * @param ofThread that of the thread that asks
     */
    public final Reduction reduction(ResidualReduction ofThread) {
        return hasResidualGradient ? ofThread.of(kernels(), reduction(), residual) : reduction();
    }

    /** The kernel that maps. */
    public final Elementwise elementwise() {
        return kernels().elementwise(mapped);
    }

    /** The conversions between 16-bit types and float32. */
    public final Conversions conversions() {
        return kernels().conversions();
    }

    /** The backend's kernels. */
    protected final Kernels kernels() {
        if (kernels == null) {
            throw new IllegalStateException("the operation has not begun");
        }
        return kernels;
    }

    /** Begins with a layer's parameters; for a gamma that it does not have stand ones, for a beta zeros. */
    protected final void begin(Kernels newKernels, Normalization normalization, Cut cut) {
        begin(newKernels, cut);
        features.gamma = orOnes(normalization.gamma(), cut.features);
        features.beta = orZeros(normalization.beta(), cut.features);
        features.eps = normalization.eps();
        features.statistics = normalization.statistics();
        features.ofForward = normalization.statistics();
        features.throughStatistics = normalization.throughStatistics();
    }

    /** The same of a gradient, which may not know x: with y in its place the statistics are those of z. */
    final void beginGradient(Kernels newKernels, Tensors tensors, Normalization normalization, Cut cut) {
        begin(newKernels, normalization, cut);
        if (tensors.isFromOutput()) {
            forward.reserve(cut.features);
            Transform.coefficients(features, forward, cut.features);
            features.statistics = ofOutput.of(features, forward, cut.features);
        }
    }

    /** Begins an operation that needs no parameters. */
    protected final void begin(Kernels newKernels, Cut cut) {
        kernels = newKernels;
        hasResidualGradient = false;
        features.count = cut.shape.valuesPerFeature();
        features.far = CutPolicy.far(cut);
    }

    /**
     * Takes the tensors of a map to dx: through the batch's statistics x and dy, through given ones dy alone, unless
     * activations need x.
     */
    final void mapGradient(Tensors tensors, Normalization normalization) {
        boolean activated =
                !tensors.activations().input().isNone() || !output(tensors).isNone();
        if (normalization.throughStatistics() || activated) {
            mapped.set(tensors.x(), gradient(tensors), tensors.dx());
        } else {
            mapped.set(gradient(tensors), null, tensors.dx());
        }
    }

    /** What is reduced and mapped as dy: where there is one, dresidual, which {@link #reduction} writes. */
    static Batch gradient(Tensors tensors) {
        Batch dresidual = tensors.dresidual();
        return dresidual != null ? dresidual : tensors.dy();
    }

    /** The activation behind which that is the gradient. */
    private static Activation output(Tensors tensors) {
        return tensors.dresidual() != null
                ? Activation.NONE
                : tensors.activations().output();
    }

    /** Has the reduction write dresidual, if there is one. */
    final void differentiateResidual(Tensors tensors, Cut cut) {
        Batch dresidual = tensors.dresidual();
        if (dresidual == null) {
            return;
        }
        hasResidualGradient = true;
        residual.set(tensors.y(), tensors.dy(), dresidual);
        int columns = cut.columns.width;
        identity.reserve(columns);
        // The sign is that of y itself. No other coefficient is ever set.
        Arrays.fill(identity.scale, 0, columns, 1);
        residual.activate(Activation.NONE, tensors.activations().output(), identity, identity, kernels());
    }

    /** The operands of which samples are taken: dresidual is not written yet. */
    final Operands sampled() {
        return hasResidualGradient ? residual : reduced;
    }

    /** Takes the activations of an operation on x, whose tensors have been set. */
    final void activate(Activations activations) {
        // What comes after batch norm does not change what is reduced.
        reduced.activate(activations.input(), Activation.NONE);
        mapped.activate(activations.input(), activations.output());
    }

    /** Those of an operation on x and dy, whose parameters have been set, too. */
    final void activateGradient(Tensors tensors, Cut cut) {
        Activation input = tensors.activations().input();
        Activation output = output(tensors);
        if (tensors.isFromOutput()) {
            reduced.undo(output);
            mapped.undo(output);
            return;
        }
        if (!output.isNone()) {
            forward.reserve(cut.features);
            Transform.coefficients(features, forward, cut.features);
            if (cut.columns.isExpanded()) {
                forwardOfColumns.reserve(cut.columns.width);
                forwardOfColumns.expand(forward, cut.columns, false);
            }
        }
        Coefficients ofColumns = cut.columns.isExpanded() ? forwardOfColumns : forward;
        reduced.activate(input, output, forward, ofColumns, kernels());
        mapped.activate(input, output, forward, ofColumns, kernels());
    }

    /** Marks the features of a gradient that are mapped in double precision, as those are of which the forward was. */
    final void markWide(PerFeature f, Coefficients into, int from, int to) {
        Wide.mark(f, into, f.throughStatistics, from, to);
        for (int i = mapped.hasWideForward() ? from : to; i < to; i++) {
            if (mapped.isForwardWide(i)) {
                into.scale[i] = Float.NaN;
                into.haveWide = true;
            }
        }
    }

    /** Lets go of the caller's memory. */
    public void end() {
        reduced.clear();
        mapped.clear();
        residual.clear();
        features.clear();
    }

    private float[] orOnes(float @Nullable [] values, int count) {
        if (values != null) {
            return values;
        }
        if (ones.length < count) {
            ones = new float[count];
            Arrays.fill(ones, 1);
        }
        return ones;
    }

    private float[] orZeros(float @Nullable [] values, int count) {
        if (values != null) {
            return values;
        }
        if (zeros.length < count) {
            zeros = new float[count];
        }
        return zeros;
    }
}

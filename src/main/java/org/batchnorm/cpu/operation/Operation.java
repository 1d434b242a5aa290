package org.batchnorm.cpu.operation;

import java.util.Arrays;
import org.batchnorm.cpu.cut.Cut;
import org.batchnorm.cpu.cut.CutPolicy;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.Elementwise;
import org.batchnorm.cpu.kernel.Kernels;
import org.batchnorm.cpu.kernel.Operands;
import org.batchnorm.cpu.kernel.PerFeature;
import org.batchnorm.cpu.kernel.Reduction;
import org.batchnorm.cpu.kernel.Rows;
import org.batchnorm.cpu.kernel.Sums;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * An operation as data: which tensors are reduced, what the sums become, and which tensors are mapped. The passes ask
 * it; it knows nothing of blocks and threads. It is used again for the next batch, so that an operation allocates
 * nothing.
 */
public abstract class Operation {
    /** What is reduced. */
    public final Operands reduced = new Operands();

    /** What is mapped. */
    public final Operands mapped = new Operands();

    /** What belongs to the features. */
    public final PerFeature features = new PerFeature();

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
     * A value near each feature's mean, for the reduction to subtract: into the shift of the features {@code from} to
     * {@code to}.
     */
    public void prepareShift(Cut cut, Rows scratch, Coefficients into, int from, int to) {
        throw new UnsupportedOperationException(getClass().getSimpleName() + " reduces nothing");
    }

    /**
     * What the sums of the features {@code from} to {@code to} become: results, and the coefficients of the map.
     *
     * @param f where results go: those of the operation, or of a thread that merges all for itself
     * @return whether all features are sound; else they must be merged again
     */
    public boolean merge(Cut cut, Sums sums, PerFeature f, Coefficients into, int from, int to) {
        throw new UnsupportedOperationException(getClass().getSimpleName() + " reduces nothing");
    }

    /** Whether some features are better reduced again with another shift, which then stands in the coefficients. */
    public boolean movesShift(Sums sums, Coefficients c, int from, int to) {
        return false;
    }

    /** Merges features among which some are suspect: these from their values, in double precision. */
    public void mergeAgain(Cut cut, Sums sums, PerFeature f, Coefficients into, int from, int to) {
        throw new UnsupportedOperationException(getClass().getSimpleName() + " reduces nothing");
    }

    /** The coefficients of the map of an operation that reduces nothing. */
    public void prepareMap(Cut cut, PerFeature f, Coefficients into) {
        throw new UnsupportedOperationException(getClass().getSimpleName() + " has its coefficients from its sums");
    }

    /** Whether merging may read values again, which the map may overwrite. */
    public boolean mergeReadsWhatMapOverwrites() {
        return false;
    }

    /** Whether merging reads statistics, as the backward does; else it makes them. */
    public boolean readsStatistics() {
        return false;
    }

    /** Whether all tensors may be used by any thread, not by the caller alone. */
    public final boolean isAccessibleBy(Thread thread) {
        return reduced.isAccessibleBy(thread) && mapped.isAccessibleBy(thread);
    }

    /** The kernel that reduces. */
    public final Reduction reduction() {
        return kernels().reduction(reduced);
    }

    /** The kernel that maps. */
    public final Elementwise elementwise() {
        return kernels().elementwise(mapped);
    }

    /** The backend's kernels. */
    protected final Kernels kernels() {
        if (kernels == null) {
            throw new IllegalStateException("the operation has not begun");
        }
        return kernels;
    }

    /** Takes over the parameters; what a layer does not have is ones and zeros. */
    protected final void begin(Kernels newKernels, Normalization normalization, Cut cut) {
        begin(newKernels, cut);
        features.gamma = orOnes(normalization.gamma(), cut.features);
        features.beta = orZeros(normalization.beta(), cut.features);
        features.eps = normalization.eps();
        features.statistics = normalization.statistics();
        features.throughStatistics = normalization.throughStatistics();
    }

    /** Begins without parameters. */
    protected final void begin(Kernels newKernels, Cut cut) {
        kernels = newKernels;
        features.count = cut.shape.valuesPerFeature();
        features.far = CutPolicy.far(cut);
    }

    /** Takes the tensors of a map to dx: through the batch's statistics x and dy, through given ones dy alone. */
    final void mapGradient(Tensors tensors, Normalization normalization) {
        if (normalization.throughStatistics()) {
            mapped.set(tensors.x(), tensors.dy(), tensors.dx());
        } else {
            mapped.set(tensors.dy(), null, tensors.dx());
        }
    }

    /** Lets go of the caller's memory. */
    public void end() {
        reduced.clear();
        mapped.clear();
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

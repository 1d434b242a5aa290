package org.batchnorm.cpu.kernel.vector;

import org.batchnorm.cpu.kernel.Conversions;
import org.batchnorm.cpu.kernel.Elementwise;
import org.batchnorm.cpu.kernel.Kernels;
import org.batchnorm.cpu.kernel.MergeGradients;
import org.batchnorm.cpu.kernel.MergeStatistics;
import org.batchnorm.cpu.kernel.Operands;
import org.batchnorm.cpu.kernel.Reduction;
import org.batchnorm.cpu.kernel.ResidualGradient;
import org.batchnorm.cpu.kernel.scalar.ScalarKernels;
import org.jspecify.annotations.Nullable;

/**
 * The kernels of the backend {@code vector}. Loading this class needs the Vector API's module. There is a copy of each
 * kernel for each {@link Variant}; which one works is chosen once for a block, outside of all loops over values. What
 * runs rarely is left to the kernels of the backend scalar, with the same bits.
 */
public final class VectorKernels implements Kernels {
    private final Specialized<Reduction> reductions = VectorReduction.copies();
    private final Specialized<Elementwise> maps = VectorElementwise.copies();
    private final Specialized<ResidualGradient> residualGradients = VectorResidualGradient.copies();
    private final Kernels plain = new ScalarKernels();
    private final Conversions conversions = Species.HAS_HALVES ? new VectorConversions() : plain.conversions();
    private final MergeStatistics mergeStatistics =
            Species.HAS_HALVES ? new VectorMergeStatistics(plain.mergeStatistics(true)) : plain.mergeStatistics(true);

    /** The kernels, which have no state of their own. */
    public VectorKernels() {}

    /** The floats that the widest vector of this processor holds. */
    public static int lanes() {
        return Species.WIDEST.length();
    }

    @Override
    public Reduction reduction(Operands operands) {
        return reductions.of(operands);
    }

    @Override
    public Reduction sampling(Operands operands, boolean rare) {
        return rare ? plain.sampling(operands, rare) : reduction(operands);
    }

    @Override
    public Elementwise elementwise(Operands operands) {
        return maps.of(operands);
    }

    /** Of bfloat16 without activations: with these it would be more than the compiler inlines. */
    @Override
    public @Nullable Elementwise unstagedRows(Operands operands) {
        boolean plainly = operands.input.isNone() && operands.output.isNone() && !operands.hasResidual();
        return plainly && Species.HAS_HALVES && operands.isBfloat16()
                ? maps.of(Variant.numberOfBfloat16(operands))
                : null;
    }

    @Override
    public ResidualGradient residualGradient(Operands operands) {
        return residualGradients.of(operands);
    }

    @Override
    public Conversions conversions() {
        return conversions;
    }

    /** Both together are more than the compiler inlines. */
    @Override
    public boolean liftsInput() {
        return true;
    }

    @Override
    public float transform(float d, float scale, float offset) {
        return Math.fma(d, scale, offset);
    }

    @Override
    public MergeStatistics mergeStatistics(boolean rare) {
        return rare ? plain.mergeStatistics(true) : mergeStatistics;
    }

    @Override
    public MergeGradients mergeGradients(boolean rare) {
        return plain.mergeGradients(rare);
    }
}

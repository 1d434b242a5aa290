package org.batchnorm.cpu.kernel.staged;

import org.batchnorm.cpu.kernel.Conversions;
import org.batchnorm.cpu.kernel.Elementwise;
import org.batchnorm.cpu.kernel.Kernels;
import org.batchnorm.cpu.kernel.MergeGradients;
import org.batchnorm.cpu.kernel.MergeStatistics;
import org.batchnorm.cpu.kernel.Operands;
import org.batchnorm.cpu.kernel.Reduction;
import org.batchnorm.cpu.kernel.ResidualGradient;

/**
 * A backend's kernels, and for operands that are {@link Operands#isStaged() staged} kernels around them: these load a
 * piece into a {@link org.batchnorm.cpu.kernel.Stage}, have the backend's kernel work on it there, and store it. So all
 * arithmetic is that of float32, and a value of a 16-bit type is rounded once, at its store. So it is with activations
 * both before and after batch norm, where the backend's kernels do but one of them.
 */
public final class StagedKernels implements Kernels {
    private final Kernels plain;
    private final Reduction reduction;
    private final Reduction rareSampling;
    private final Elementwise elementwise;
    private final ResidualGradient residualGradient;

    /**
     * Kernels for all operands.
     *
     * @param plain the backend's
     */
    public StagedKernels(Kernels plain) {
        this.plain = plain;
        this.reduction = new StagedReduction(plain, false);
        this.rareSampling = new StagedReduction(plain, true);
        this.elementwise = new StagedElementwise(plain);
        this.residualGradient = new StagedResidualGradient(plain);
    }

    private boolean isStaged(Operands operands) {
        return operands.isStaged() || liftsInput(plain, operands);
    }

    /** Whether the activation before batch norm is applied on the stage, not by the backend's kernel. */
    static boolean liftsInput(Kernels plain, Operands operands) {
        return plain.liftsInput() && operands.hasBothActivations();
    }

    @Override
    public Reduction reduction(Operands operands) {
        return isStaged(operands) ? reduction : plain.reduction(operands);
    }

    @Override
    public Reduction sampling(Operands operands, boolean rare) {
        if (isStaged(operands)) {
            return rare ? rareSampling : reduction;
        }
        return plain.sampling(operands, rare);
    }

    @Override
    public Elementwise elementwise(Operands operands) {
        return isStaged(operands) ? elementwise : plain.elementwise(operands);
    }

    @Override
    public ResidualGradient residualGradient(Operands operands) {
        return operands.isStaged() ? residualGradient : plain.residualGradient(operands);
    }

    @Override
    public Conversions conversions() {
        return plain.conversions();
    }

    @Override
    public float transform(float d, float scale, float offset) {
        return plain.transform(d, scale, offset);
    }

    @Override
    public MergeStatistics mergeStatistics(boolean rare) {
        return plain.mergeStatistics(rare);
    }

    @Override
    public MergeGradients mergeGradients(boolean rare) {
        return plain.mergeGradients(rare);
    }
}

package org.batchnorm.cpu.kernel.scalar;

import org.batchnorm.cpu.kernel.Conversions;
import org.batchnorm.cpu.kernel.Elementwise;
import org.batchnorm.cpu.kernel.Kernels;
import org.batchnorm.cpu.kernel.MergeGradients;
import org.batchnorm.cpu.kernel.MergeStatistics;
import org.batchnorm.cpu.kernel.Operands;
import org.batchnorm.cpu.kernel.Reduction;
import org.batchnorm.cpu.kernel.ResidualGradient;

/** The kernels of the backend {@code scalar}. */
public final class ScalarKernels implements Kernels {
    private final Reduction ofValues = new ScalarReduction(false);
    private final Reduction ofGradients = new ScalarReduction(true);
    private final Elementwise transform = new ScalarElementwise(false);
    private final Elementwise inputGradient = new ScalarElementwise(true);
    private final ResidualGradient residualGradient = new ScalarResidualGradient();
    private final Conversions conversions = new Conversions();
    private final MergeStatistics mergeStatistics = new ScalarMergeStatistics();
    private final MergeGradients mergeGradients = new ScalarMergeGradients();

    /** The kernels, which have no state of their own. */
    public ScalarKernels() {}

    @Override
    public Reduction reduction(Operands operands) {
        return operands.hasSecond() ? ofGradients : ofValues;
    }

    @Override
    public Reduction sampling(Operands operands, boolean rare) {
        return reduction(operands);
    }

    @Override
    public Elementwise elementwise(Operands operands) {
        return operands.hasSecond() && !operands.hasResidual() ? inputGradient : transform;
    }

    @Override
    public ResidualGradient residualGradient(Operands operands) {
        return residualGradient;
    }

    @Override
    public Conversions conversions() {
        return conversions;
    }

    @Override
    public float transform(float d, float scale, float offset) {
        return d * scale + offset;
    }

    @Override
    public MergeStatistics mergeStatistics(boolean rare) {
        return mergeStatistics;
    }

    @Override
    public MergeGradients mergeGradients(boolean rare) {
        return mergeGradients;
    }
}

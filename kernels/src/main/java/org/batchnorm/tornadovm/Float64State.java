package org.batchnorm.tornadovm;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.data.ElementType;
import org.batchnorm.data.FeatureValues;
import org.batchnorm.state.Tensor;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/** The arrays of a layer of FLOAT64. */
final class Float64State extends LayerState {
    final DoubleArray parameters;
    final DoubleArray gradients;
    final DoubleArray statistics;

    /** (4, C): what the input's gradient needs of those of γ and β. */
    final DoubleArray terms;

    final DoubleArray runningStatistics;

    /** (3, groups, C): sums, what rounding took from them, and their units. */
    final DoubleArray partials;

    /** The last forward's moments, of {@link Summaries#array(int, ElementType)}. */
    final DoubleArray moments;

    /** The last backward's sums, of the same size. */
    final DoubleArray sums;

    private final int features;

    Float64State(LayerPlan plan) {
        super(plan);
        BatchNormConfig config = plan.config();
        int c = config.features();
        this.features = c;
        this.parameters = new DoubleArray(2 * c);
        this.gradients = new DoubleArray(2 * c);
        this.statistics = new DoubleArray(4 * c);
        this.terms = new DoubleArray(4 * c);
        this.runningStatistics = new DoubleArray(config.trackRunningStatistics() ? 2 * c : 1);
        this.partials = new DoubleArray(Math.multiplyExact(3, plan.tiling().partials()));
        this.moments = Summaries.array(c, ElementType.FLOAT64);
        this.sums = Summaries.array(c, ElementType.FLOAT64);
        gradients.init(0);
        statistics.init(0);
        terms.init(0);
        parameters.init(0);
        runningStatistics.init(0);
        for (int i = 0; i < c; i++) {
            parameters.set(i, 1);
            if (config.trackRunningStatistics()) {
                runningStatistics.set(c + i, 1);
            }
        }
    }

    @Override
    KernelCalls calls(LayerPlan plan, KernelCalls.Target target) {
        return new Float64Calls(plan, this, target);
    }

    @Override
    DoubleArray parameters() {
        return parameters;
    }

    @Override
    DoubleArray gradients() {
        return gradients;
    }

    @Override
    DoubleArray statistics() {
        return statistics;
    }

    @Override
    DoubleArray runningStatistics() {
        return runningStatistics;
    }

    @Override
    FeatureValues row(TornadoNativeArray array, int row) {
        double[] values = new double[features];
        MemorySegment.copy(array.getSegment(), ValueLayout.JAVA_DOUBLE, offset(row), values, 0, features);
        return FeatureValues.of(values);
    }

    @Override
    void row(TornadoNativeArray array, int row, Tensor values) {
        MemorySegment.copy(values.doubles(), 0, array.getSegment(), ValueLayout.JAVA_DOUBLE, offset(row), features);
    }

    private long offset(int row) {
        return (long) row * features * Double.BYTES;
    }
}

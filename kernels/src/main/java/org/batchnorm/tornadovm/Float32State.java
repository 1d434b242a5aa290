package org.batchnorm.tornadovm;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.data.FeatureValues;
import org.batchnorm.state.Tensor;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/** The arrays of a layer of FLOAT32. */
final class Float32State extends LayerState {
    final FloatArray parameters;
    final FloatArray gradients;
    final FloatArray statistics;

    /** (6, C): what the input's gradient needs of those of γ and β. */
    final FloatArray terms;

    final FloatArray runningStatistics;

    /** (groups, C) each. */
    final DoubleArray partialFirst;

    final DoubleArray partialSecond;
    final DoubleArray partialThird;

    /** In the place of moments that a kernel does not read: of the others none, which it may write. */
    final DoubleArray noMoments;

    private final int features;

    Float32State(LayerPlan plan) {
        super(plan);
        BatchNormConfig config = plan.config();
        int c = config.features();
        int partials = plan.tiling().partials();
        this.features = c;
        this.parameters = new FloatArray(2 * c);
        this.gradients = new FloatArray(2 * c);
        this.statistics = new FloatArray(4 * c);
        this.terms = new FloatArray(6 * c);
        this.runningStatistics = new FloatArray(config.trackRunningStatistics() ? 2 * c : 1);
        this.partialFirst = new DoubleArray(partials);
        this.partialSecond = new DoubleArray(partials);
        this.partialThird = new DoubleArray(partials);
        this.noMoments = new DoubleArray(1);
        gradients.init(0);
        statistics.init(0);
        terms.init(0);
        noMoments.init(0);
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
        return new Float32Calls(plan, this, target);
    }

    @Override
    FloatArray parameters() {
        return parameters;
    }

    @Override
    FloatArray gradients() {
        return gradients;
    }

    @Override
    FloatArray statistics() {
        return statistics;
    }

    @Override
    FloatArray runningStatistics() {
        return runningStatistics;
    }

    @Override
    FeatureValues row(TornadoNativeArray array, int row) {
        float[] values = new float[features];
        MemorySegment.copy(array.getSegment(), ValueLayout.JAVA_FLOAT, offset(row), values, 0, features);
        return FeatureValues.of(values);
    }

    @Override
    void row(TornadoNativeArray array, int row, Tensor values) {
        MemorySegment.copy(values.floats(), 0, array.getSegment(), ValueLayout.JAVA_FLOAT, offset(row), features);
    }

    private long offset(int row) {
        return (long) row * features * Float.BYTES;
    }
}

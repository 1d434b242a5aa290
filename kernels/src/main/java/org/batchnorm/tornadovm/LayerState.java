package org.batchnorm.tornadovm;

import java.util.Map;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.spi.Remark;
import org.batchnorm.state.BatchNormState;
import org.batchnorm.state.LoadOptions;
import org.batchnorm.state.LoadResult;
import org.batchnorm.state.Tensor;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionResult;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.LongArray;

/**
 * The arrays of a layer, all per feature: what a training step leaves to the next one, what forward leaves to backward,
 * and the partial results of work-groups.
 */
final class LayerState {
    /** (2, C): gamma, beta. */
    final FloatArray parameters;

    /** (2, C): dgamma, dbeta. */
    final FloatArray gradients;

    /** (4, C): mean, meanLow, variance, rstd. */
    final FloatArray statistics;

    /** (6, C): what the input's gradient needs of those of γ and β. */
    final FloatArray terms;

    /** (2, C): mean, variance; (1) if untracked. */
    final FloatArray runningStatistics;

    /** (C), the same number C times; (1) if untracked. */
    final LongArray numBatchesTracked;

    /** (groups, C) each. */
    final DoubleArray partialFirst;

    final DoubleArray partialSecond;
    final DoubleArray partialThird;

    /** In the place of moments that a kernel does not read: of the others none, which it may write. */
    final DoubleArray noMoments;

    private final BatchNormConfig config;
    private final DeviceArrays onDevice = new DeviceArrays();

    /** γ = 1, β = 0, running mean 0 and running variance 1. */
    LayerState(LayerPlan plan) {
        this.config = plan.config();
        int c = config.features();
        int partials = plan.tiling().partials();
        this.parameters = new FloatArray(2 * c);
        this.gradients = new FloatArray(2 * c);
        this.statistics = new FloatArray(4 * c);
        this.terms = new FloatArray(6 * c);
        this.runningStatistics = new FloatArray(config.trackRunningStatistics() ? 2 * c : 1);
        this.numBatchesTracked = new LongArray(config.trackRunningStatistics() ? c : 1);
        this.partialFirst = new DoubleArray(partials);
        this.partialSecond = new DoubleArray(partials);
        this.partialThird = new DoubleArray(partials);
        this.noMoments = new DoubleArray(1);
        gradients.init(0);
        statistics.init(0);
        terms.init(0);
        noMoments.init(0);
        fill(parameters, 0, c, 1);
        fill(parameters, c, c, 0);
        runningStatistics.init(0);
        numBatchesTracked.init(0);
        if (config.trackRunningStatistics()) {
            fill(runningStatistics, c, c, 1);
        }
    }

    /** Makes sure that a graph holds the arrays, which its tasks use. */
    void use(TaskGraph graph, Object... arrays) {
        onDevice.use(graph, arrays);
    }

    /** Lets a graph hand on all arrays that earlier ones hold. */
    void attach(TaskGraph graph) {
        onDevice.attach(graph);
    }

    /** Reads the layer's state from the device. */
    Map<String, Tensor> read(TornadoExecutionResult result) {
        onDevice.read(result, parameters, runningStatistics, numBatchesTracked);
        return onHost().tensors();
    }

    /**
     * Sets the layer's state on the host.
     *
     * @throws IllegalArgumentException if a tensor does not fit, as the options say; nothing is changed then
     */
    LoadResult load(Map<String, Tensor> state, LoadOptions options) {
        BatchNormState.Loaded loaded = onHost().loaded(state, options);
        BatchNormState given = loaded.state();
        int c = config.features();
        if (config.affine()) {
            copy(given.weight(), parameters, 0);
            copy(given.bias(), parameters, c);
        }
        if (config.trackRunningStatistics()) {
            copy(given.runningMean(), runningStatistics, 0);
            copy(given.runningVar(), runningStatistics, c);
            numBatchesTracked.init(given.numBatchesTracked());
            Remark.onRunningVariance(
                    "loadState", given.runningVar(), "load a running_mean of 0 and a running_var of 1");
        }
        return loaded.result();
    }

    private BatchNormState onHost() {
        int c = config.features();
        boolean affine = config.affine();
        boolean tracking = config.trackRunningStatistics();
        return BatchNormState.of(
                affine ? values(parameters, 0, c) : null,
                affine ? values(parameters, c, c) : null,
                tracking ? values(runningStatistics, 0, c) : null,
                tracking ? values(runningStatistics, c, c) : null,
                tracking ? numBatchesTracked.get(0) : 0);
    }

    private static void fill(FloatArray array, int offset, int count, float value) {
        for (int i = 0; i < count; i++) {
            array.set(offset + i, value);
        }
    }

    private static void copy(float[] values, FloatArray array, int offset) {
        for (int i = 0; i < values.length; i++) {
            array.set(offset + i, values[i]);
        }
    }

    private static float[] values(FloatArray array, int offset, int count) {
        float[] values = new float[count];
        for (int i = 0; i < count; i++) {
            values[i] = array.get(offset + i);
        }
        return values;
    }
}

package org.batchnorm.tornadovm;

import java.util.Map;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.data.ElementType;
import org.batchnorm.data.FeatureValues;
import org.batchnorm.spi.Remark;
import org.batchnorm.state.BatchNormState;
import org.batchnorm.state.LoadOptions;
import org.batchnorm.state.LoadResult;
import org.batchnorm.state.Tensor;
import org.jspecify.annotations.Nullable;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionResult;
import uk.ac.manchester.tornado.api.types.arrays.LongArray;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/**
 * The arrays of a layer, all per feature: what a training step leaves to the next one, what forward leaves to backward,
 * and the partial results of work-groups. There is one for each type of a layer.
 */
abstract class LayerState {
    /** (C), the same number C times; (1) if untracked. */
    final LongArray numBatchesTracked;

    private final BatchNormConfig config;
    private final DeviceArrays onDevice = new DeviceArrays();

    LayerState(LayerPlan plan) {
        this.config = plan.config();
        this.numBatchesTracked = new LongArray(config.trackRunningStatistics() ? config.features() : 1);
        numBatchesTracked.init(0);
    }

    /** That of a layer of the configuration's type: γ = 1, β = 0, running mean 0 and running variance 1. */
    static LayerState of(LayerPlan plan) {
        return plan.config().elementType() == ElementType.FLOAT64 ? new Float64State(plan) : new Float32State(plan);
    }

    /** The kernels that work on it. */
    abstract KernelCalls calls(LayerPlan plan, KernelCalls.Target target);

    /** (2, C): gamma, beta. */
    abstract TornadoNativeArray parameters();

    /** (2, C): dgamma, dbeta. */
    abstract TornadoNativeArray gradients();

    /** (4, C): mean, meanLow, variance, rstd. */
    abstract TornadoNativeArray statistics();

    /** (2, C): mean, variance; (1) if untracked. */
    abstract TornadoNativeArray runningStatistics();

    /** A row of (rows, C) values; a copy. */
    abstract FeatureValues row(TornadoNativeArray array, int row);

    /** Sets a row of (rows, C) values. */
    abstract void row(TornadoNativeArray array, int row, Tensor values);

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
        onDevice.read(result, parameters(), runningStatistics(), numBatchesTracked);
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
        if (config.affine()) {
            row(parameters(), 0, given.tensor("weight"));
            row(parameters(), 1, given.tensor("bias"));
        }
        if (config.trackRunningStatistics()) {
            row(runningStatistics(), 0, given.tensor("running_mean"));
            row(runningStatistics(), 1, given.tensor("running_var"));
            numBatchesTracked.init(given.numBatchesTracked());
            Remark.onRunningVariance(
                    "loadState", row(runningStatistics(), 1), "load a running_mean of 0 and a running_var of 1");
        }
        return loaded.result();
    }

    private BatchNormState onHost() {
        boolean tracking = config.trackRunningStatistics();
        return BatchNormState.ofTensors(
                tensor(config.affine(), parameters(), 0),
                tensor(config.affine(), parameters(), 1),
                tensor(tracking, runningStatistics(), 0),
                tensor(tracking, runningStatistics(), 1),
                tracking ? numBatchesTracked.get(0) : 0);
    }

    private @Nullable Tensor tensor(boolean exists, TornadoNativeArray array, int row) {
        if (!exists) {
            return null;
        }
        FeatureValues values = row(array, row);
        return values.type() == ElementType.FLOAT64
                ? Tensor.ofDoubles(values.doubles(), values.features())
                : Tensor.ofFloats(values.floats(), values.features());
    }
}

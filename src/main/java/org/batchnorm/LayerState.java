package org.batchnorm;

import java.util.Map;
import org.batchnorm.data.ElementType;
import org.batchnorm.data.FeatureValues;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Remark;
import org.batchnorm.state.BatchNormState;
import org.batchnorm.state.LoadOptions;
import org.batchnorm.state.LoadResult;
import org.batchnorm.state.Tensor;
import org.jspecify.annotations.Nullable;

/** The arrays of a layer, as far as it has them: γ and β, their gradients, and the running statistics. */
final class LayerState {
    /** γ, β and their gradients; those of a layer without are {@link Parameters#NONE}. */
    final Parameters parameters;

    /** What the layer tracks; null if nothing. */
    final @Nullable RunningStatistics running;

    LayerState(BatchNormConfig config) {
        int c = config.features();
        ElementType type = config.elementType();
        if (config.affine()) {
            FeatureValues gamma = FeatureValues.zeros(type, c);
            gamma.fill(1);
            parameters = new Parameters(
                    gamma, FeatureValues.zeros(type, c), FeatureValues.zeros(type, c), FeatureValues.zeros(type, c));
        } else {
            parameters = Parameters.NONE;
        }
        running = config.trackRunningStatistics() ? new RunningStatistics(c, type) : null;
    }

    /** One of the arrays of {@link #parameters}, which the layer must have. */
    static FeatureValues affine(@Nullable FeatureValues values) {
        if (values == null) {
            throw new IllegalStateException("the layer was built with affine(false) and has neither weight nor bias");
        }
        return values;
    }

    /** The running statistics, which the layer must have. */
    RunningStatistics tracked() {
        if (running == null) {
            throw new IllegalStateException(
                    "the layer was built with trackRunningStatistics(false) and has no running statistics");
        }
        return running;
    }

    /** Refuses a setting, which {@code given} names, if it needs running statistics and there are none. */
    void requireTracked(boolean needed, String given) {
        if (needed && running == null) {
            throw new IllegalStateException(
                    given + " given, but the layer was built with trackRunningStatistics(false) and has none");
        }
    }

    /** Adds the gradients of one more batch. */
    void add(GradientSums sums) {
        add(sums.dgamma(), parameters.dgamma);
        add(sums.dbeta(), parameters.dbeta);
    }

    /** Each gradient is rounded to the type of the sum before it is added. */
    private static void add(double[] gradient, @Nullable FeatureValues sum) {
        if (sum != null) {
            boolean inDouble = sum.type() == ElementType.FLOAT64;
            for (int c = 0; c < gradient.length; c++) {
                sum.set(c, sum.get(c) + (inDouble ? gradient[c] : (float) gradient[c]));
            }
        }
    }

    void zeroGradients() {
        if (parameters.dgamma != null && parameters.dbeta != null) {
            parameters.dgamma.fill(0);
            parameters.dbeta.fill(0);
        }
    }

    /** A copy under PyTorch's names. */
    BatchNormState toBatchNormState() {
        return BatchNormState.ofTensors(
                tensor(parameters.gamma),
                tensor(parameters.beta),
                running == null ? null : tensor(running.mean),
                running == null ? null : tensor(running.variance),
                running == null ? 0 : running.numBatchesTracked);
    }

    private static @Nullable Tensor tensor(@Nullable FeatureValues values) {
        if (values == null) {
            return null;
        }
        return values.type() == ElementType.FLOAT64
                ? Tensor.ofDoubles(values.doubles(), values.features())
                : Tensor.ofFloats(values.floats(), values.features());
    }

    /** Takes over a state, all of it or nothing. */
    LoadResult load(Map<String, Tensor> given, LoadOptions options) {
        Arguments.requireGiven("state", given, "tensors by name");
        Arguments.requireGiven("options", options, "LoadOptions");
        BatchNormState.Loaded loaded = toBatchNormState().loaded(given, options);
        BatchNormState state = loaded.state();
        if (parameters.gamma != null && parameters.beta != null) {
            copy(state, "weight", parameters.gamma);
            copy(state, "bias", parameters.beta);
        }
        if (running != null) {
            copy(state, "running_mean", running.mean);
            copy(state, "running_var", running.variance);
            running.numBatchesTracked = state.numBatchesTracked();
            remarkOn("loadState", running.variance);
        }
        return loaded.result();
    }

    /** Says so where a call has given a variance that no data lead to. */
    static void remarkOn(String call, FeatureValues variance) {
        Remark.onRunningVariance(call, variance, "call resetRunningStatistics()");
    }

    private static void copy(BatchNormState from, String name, FeatureValues to) {
        Tensor tensor = from.tensor(name);
        if (to.type() == ElementType.FLOAT64) {
            System.arraycopy(tensor.doubles(), 0, to.doubles(), 0, to.features());
        } else {
            System.arraycopy(tensor.floats(), 0, to.floats(), 0, to.features());
        }
    }
}

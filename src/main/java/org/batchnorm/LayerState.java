package org.batchnorm;

import java.util.Arrays;
import java.util.Map;
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
        if (config.affine()) {
            float[] gamma = new float[c];
            Arrays.fill(gamma, 1);
            parameters = new Parameters(gamma, new float[c], new float[c], new float[c]);
        } else {
            parameters = Parameters.NONE;
        }
        running = config.trackRunningStatistics() ? new RunningStatistics(c) : null;
    }

    /** One of the arrays of {@link #parameters}, which the layer must have. */
    static float[] affine(float @Nullable [] values) {
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
        add(sums.dgamma(), parameters.dgamma());
        add(sums.dbeta(), parameters.dbeta());
    }

    private static void add(double[] gradient, float @Nullable [] sum) {
        if (sum != null) {
            for (int c = 0; c < sum.length; c++) {
                sum[c] += (float) gradient[c];
            }
        }
    }

    void zeroGradients() {
        if (parameters.dgamma() != null && parameters.dbeta() != null) {
            Arrays.fill(parameters.dgamma(), 0);
            Arrays.fill(parameters.dbeta(), 0);
        }
    }

    /** A copy under PyTorch's names. */
    BatchNormState toBatchNormState() {
        return BatchNormState.of(
                parameters.gamma(),
                parameters.beta(),
                running == null ? null : running.mean,
                running == null ? null : running.variance,
                running == null ? 0 : running.numBatchesTracked);
    }

    /** Takes over a state, all of it or nothing. */
    LoadResult load(Map<String, Tensor> given, LoadOptions options) {
        Arguments.requireGiven("state", given, "tensors by name");
        Arguments.requireGiven("options", options, "LoadOptions");
        BatchNormState.Loaded loaded = toBatchNormState().loaded(given, options);
        BatchNormState state = loaded.state();
        if (parameters.gamma() != null && parameters.beta() != null) {
            copy(state.weight(), parameters.gamma());
            copy(state.bias(), parameters.beta());
        }
        if (running != null) {
            copy(state.runningMean(), running.mean);
            copy(state.runningVar(), running.variance);
            running.numBatchesTracked = state.numBatchesTracked();
            remarkOn("loadState", running.variance);
        }
        return loaded.result();
    }

    /** Says so where a call has given a variance that no data lead to. */
    static void remarkOn(String call, float[] variance) {
        Remark.onRunningVariance(call, variance, "call resetRunningStatistics()");
    }

    private static void copy(float[] from, float[] to) {
        System.arraycopy(from, 0, to, 0, to.length);
    }
}

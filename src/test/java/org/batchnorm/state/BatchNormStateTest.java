package org.batchnorm.state;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** The five tensors; what a layer refuses is tested with the layer. */
class BatchNormStateTest {
    private final float[] values = {1, 2};
    private final BatchNormState full = BatchNormState.of(values, values, values, values, 7);

    @Test
    void hasTheNamesAndTheOrderOfPyTorch() {
        assertThat(full.tensors().keySet())
                .containsExactly("weight", "bias", "running_mean", "running_var", "num_batches_tracked");
        assertThat(BatchNormState.of(values, values, null, null, 7).tensors()).containsOnlyKeys("weight", "bias");
        assertThat(BatchNormState.of(null, null, values, values, 7).tensors())
                .containsOnlyKeys("running_mean", "running_var", "num_batches_tracked");
        assertThat(BatchNormState.of(null, null, null, null, 0).tensors()).isEmpty();
    }

    @Test
    void isACopy() {
        values[0] = 77;
        assertThat(full.weight()).containsExactly(1, 2);
        full.bias()[0] = 77;
        assertThat(full.bias()).containsExactly(1, 2);
        assertThat(full.runningMean()).containsExactly(1, 2);
        assertThat(full.runningVar()).containsExactly(1, 2);
        assertThat(full.numBatchesTracked()).isEqualTo(7);
        Map<String, Tensor> tensors = new HashMap<>(full.tensors());
        BatchNormState read = BatchNormState.of(tensors);
        tensors.clear();
        assertThat(read.tensors()).isEqualTo(full.tensors());
        assertThatThrownBy(() -> read.tensors().clear()).isInstanceOf(UnsupportedOperationException.class);
    }

    @Test
    void tellsWhatIsMissing() {
        BatchNormState parameters = BatchNormState.of(values, values, null, null, 0);
        assertThatThrownBy(parameters::runningMean)
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("state: tensor running_mean is missing");
        assertThatThrownBy(() -> full.loaded(parameters.tensors(), LoadOptions.strict()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("state: tensors [bias, weight] given, must be exactly [bias, num_batches_tracked,"
                        + " running_mean, running_var, weight]; missing [num_batches_tracked, running_mean,"
                        + " running_var], not the layer's [] (LoadOptions.lenient() takes what there is)");
        BatchNormState other = BatchNormState.of(new float[2], new float[2], new float[2], new float[2], 0);
        BatchNormState.Loaded loaded = full.loaded(other.tensors(), LoadOptions.strict());
        assertThat(loaded.state().tensors()).isEqualTo(other.tensors());
        assertThat(loaded.result().isExact()).isTrue();
    }
}

package org.batchnorm.float64;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.batchnorm.BatchNorm;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.state.DType;
import org.batchnorm.state.Safetensors;
import org.batchnorm.state.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** States of layers of FLOAT64. */
class StateTest {
    private static BatchNorm layer(ElementType type) {
        return BatchNorm.builder(3).elementType(type).build();
    }

    private static void change(BatchNorm layer) {
        Inputs in = Inputs.random(BatchShape.of(9, 3), 71);
        System.arraycopy(in.gamma(), 0, layer.doubleWeight(), 0, 3);
        System.arraycopy(in.beta(), 0, layer.doubleBias(), 0, 3);
        layer.forward(Batch.of(in.x(), in.shape()), Batch.of(new double[27], in.shape()));
    }

    @Test
    void survivesAFileBitByBit(@TempDir Path folder) throws IOException {
        Path file = folder.resolve("layer.safetensors");
        try (BatchNorm layer = layer(ElementType.FLOAT64);
                BatchNorm other = layer(ElementType.FLOAT64)) {
            change(layer);
            Safetensors.write(file, layer.state(), Map.of());
            Map<String, Tensor> read = Safetensors.read(file).tensors();
            assertThat(read.get("weight").dtype()).isEqualTo(DType.F64);
            assertThat(read.get("running_var").dtype()).isEqualTo(DType.F64);
            other.loadState(read);
            assertThat(other.state()).isEqualTo(layer.state());
            assertThat(other.doubleRunningMean()).isEqualTo(layer.doubleRunningMean());
            assertThat(other.numBatchesTracked()).isEqualTo(1);
        }
    }

    @Test
    void float32IsWidenedAndFloat64IsRounded() {
        try (BatchNorm wide = layer(ElementType.FLOAT64);
                BatchNorm narrow = layer(ElementType.FLOAT32)) {
            narrow.weight()[1] = 0.1f;
            wide.loadState(narrow.state());
            assertThat(wide.doubleWeight()).containsExactly(1, 0.1f, 1);
            change(wide);
            narrow.loadState(wide.state());
            for (int c = 0; c < 3; c++) {
                assertThat(narrow.weight()[c]).isEqualTo((float) wide.doubleWeight()[c]);
                assertThat(narrow.runningVar()[c]).isEqualTo((float) wide.doubleRunningVar()[c]);
            }
        }
    }

    @Test
    void whatFloat32DoesNotHoldIsRefusedThereAndTakenHere() {
        Map<String, Tensor> state;
        try (BatchNorm wide = layer(ElementType.FLOAT64);
                BatchNorm narrow = layer(ElementType.FLOAT32)) {
            state = new LinkedHashMap<>(wide.state());
            state.put("bias", Tensor.ofDoubles(new double[] {1, 1e300, 2}, 3));
            Map<String, Tensor> before = narrow.state();
            assertThatThrownBy(() -> narrow.loadState(state))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("state: bias")
                    .hasMessageContaining("too large for float32");
            assertThat(narrow.state()).isEqualTo(before);
            wide.loadState(state);
            assertThat(wide.doubleBias()).containsExactly(1, 1e300, 2);
        }
    }
}

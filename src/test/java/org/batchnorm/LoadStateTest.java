package org.batchnorm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import org.batchnorm.state.LoadOptions;
import org.batchnorm.state.LoadResult;
import org.batchnorm.state.Safetensors;
import org.batchnorm.state.Tensor;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** States that are not exactly a layer's own: other types and shapes, old and whole models' files. */
class LoadStateTest {
    private final BatchNorm layer = BatchNorm.builder(2).backend("scalar").build();
    private final Map<String, Tensor> before = layer.state();
    private final Map<String, Tensor> given = new HashMap<>(Map.of(
            "weight", floats(1.5f, -2),
            "bias", floats(3, 4),
            "running_mean", floats(5, 6),
            "running_var", floats(7, 8),
            "num_batches_tracked", Tensor.ofLong(9)));

    @AfterEach
    void close() {
        layer.close();
    }

    @Test
    void otherTypesAndShapesAreTakenInBothModes() {
        Map<String, Tensor> exact = Map.copyOf(given);
        given.put("weight", Tensor.ofDoubles(new double[] {1.5, -2}, 1, 2, 1, 1));
        given.put("bias", Tensor.ofLongs(new long[] {3, 4}, 2));
        given.put("running_mean", Tensor.ofFloats(new float[] {5, 6}, 1, 2));
        given.put("num_batches_tracked", Tensor.ofFloats(new float[] {9}, 1));
        assertThat(layer.loadState(given, LoadOptions.lenient()).isExact()).isTrue();
        assertThat(layer.state()).isEqualTo(exact);
        layer.resetRunningStatistics();
        layer.loadState(given);
        assertThat(layer.state()).isEqualTo(exact);
    }

    @Test
    void aSingleFeatureIsNoScalar() {
        try (BatchNorm single = BatchNorm.builder(1).backend("scalar").build()) {
            given.replaceAll((name, tensor) -> Tensor.ofDoubles(new double[] {2}, 1));
            single.loadState(given);
            assertThat(single.weight()).containsExactly(2);
            given.put("weight", Tensor.ofDoubles(new double[] {3}));
            assertThatThrownBy(() -> single.loadState(given))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("state: weight is F64[], must be F32[1]");
        }
    }

    /** Before PyTorch 0.4.1 there was no count. PyTorch lets it be what it is in the layer. */
    @Test
    void anOldFileHasNoCount() {
        layer.loadState(given);
        given.remove("num_batches_tracked");
        given.put("bias", floats(0, 1));
        assertThatThrownBy(() -> layer.loadState(given)).hasMessageContaining("missing [num_batches_tracked]");
        assertThat(layer.bias()).containsExactly(3, 4);
        assertThat(layer.loadState(given, LoadOptions.lenient()))
                .isEqualTo(new LoadResult(Set.of("num_batches_tracked"), Set.of()));
        assertThat(layer.numBatchesTracked()).isEqualTo(9);
        assertThat(layer.bias()).containsExactly(0, 1);
    }

    @Test
    void lenientTellsWhatWasMissingAndWhatWasUnexpected() {
        given.remove("bias");
        given.remove("running_mean");
        given.put("momentum", floats(1, 1));
        given.put("another.weight", floats(1, 1));
        LoadResult result = layer.loadState(given, LoadOptions.lenient());
        assertThat(result.missing()).containsExactly("bias", "running_mean");
        assertThat(result.unexpected()).containsExactly("another.weight", "momentum");
        assertThat(result.isExact()).isFalse();
        assertThat(layer.weight()).containsExactly(1.5f, -2);
        assertThat(layer.bias()).containsExactly(0, 0);
        assertThat(layer.runningMean()).containsExactly(0, 0);
        assertThat(layer.runningVar()).containsExactly(7, 8);
        assertThat(layer.numBatchesTracked()).isEqualTo(9);
    }

    /** As in PyTorch, lenient is about names only. */
    @Test
    void lenientRefusesWrongShapesAndValuesWhole() {
        given.put("running_var", floats(1, 2, 3));
        assertRefused("state: running_var is F32[3], must be F32[2]", LoadOptions.lenient());
        given.put("running_var", Tensor.ofDoubles(new double[] {1, 1e39}, 2));
        assertRefused("state: running_var: tensor F64[2]: element 1 of 2, 1.0E39", LoadOptions.lenient());
        given.put("running_var", floats(1, 2));
        given.put("num_batches_tracked", Tensor.ofLong(-1));
        assertRefused("state: num_batches_tracked is -1, must be at least 0", LoadOptions.lenient());
    }

    @Test
    void aLayerOfAWholeModel() {
        Map<String, Tensor> model = new HashMap<>();
        given.forEach((name, tensor) -> model.put("layer1.0.bn1." + name, tensor));
        given.forEach((name, tensor) -> model.put("layer1.0.bn10." + name, Tensor.ofLong(1)));
        model.put("conv.weight", Tensor.ofFloats(new float[6], 1, 2, 3));
        LoadOptions options = LoadOptions.strict().prefix("layer1.0.bn1.");
        layer.loadState(model, options);
        assertThat(layer.state()).isEqualTo(given);

        model.remove("layer1.0.bn1.bias");
        model.put("layer1.0.bn1.extra", Tensor.ofLong(1));
        assertThatThrownBy(() -> layer.loadState(model, options))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContainingAll(
                        "under the prefix \"layer1.0.bn1.\"",
                        "missing [layer1.0.bn1.bias], not the layer's [layer1.0.bn1.extra]")
                .hasMessageNotContainingAny("conv", "bn10");
        assertThat(layer.loadState(model, LoadOptions.lenient().prefix("layer1.0.bn1.")))
                .isEqualTo(new LoadResult(Set.of("layer1.0.bn1.bias"), Set.of("layer1.0.bn1.extra")));
        model.put("layer1.0.bn1.weight", floats(1));
        assertThatThrownBy(() -> layer.loadState(model, LoadOptions.lenient().prefix("layer1.0.bn1.")))
                .hasMessageContaining("state: layer1.0.bn1.weight is F32[1], must be F32[2]");
        assertThat(layer.loadState(model, LoadOptions.lenient().prefix("absent."))
                        .missing())
                .hasSize(5);
    }

    /** bfloat16, float16 and int32 beside a tensor of a type that is not known. */
    @Test
    void aFileOfMixedTypes(@TempDir Path folder) throws IOException {
        String json = "{\"bn.weight\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[0,4]},"
                + "\"bn.bias\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[4,8]},"
                + "\"bn.running_mean\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[8,12]},"
                + "\"bn.running_var\":{\"dtype\":\"BF16\",\"shape\":[2],\"data_offsets\":[12,16]},"
                + "\"bn.num_batches_tracked\":{\"dtype\":\"I32\",\"shape\":[1],\"data_offsets\":[16,20]},"
                + "\"fc.weight\":{\"dtype\":\"F4\",\"shape\":[2],\"data_offsets\":[20,21]}}";
        ByteBuffer bytes = ByteBuffer.allocate(8 + json.length() + 21).order(ByteOrder.LITTLE_ENDIAN);
        bytes.putLong(json.length()).put(json.getBytes(StandardCharsets.UTF_8));
        for (int bits : new int[] {0x3fc0, 0xc000, 0x4200, 0x4400, 0x4500, 0x4600, 0x40e0, 0x4100}) {
            bytes.putShort((short) bits);
        }
        bytes.putInt(9).put((byte) 0);
        Path file = Files.write(folder.resolve("model.safetensors"), bytes.array());
        Map<String, Tensor> read = Safetensors.readPrefix(file, "bn.").tensors();
        layer.loadState(read, LoadOptions.strict().prefix("bn."));
        assertThat(layer.state()).isEqualTo(given);
    }

    private void assertRefused(String message, LoadOptions options) {
        assertThatThrownBy(() -> layer.loadState(given, options))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(message);
        assertThat(layer.state()).isEqualTo(before);
    }

    private static Tensor floats(float... values) {
        return Tensor.ofFloats(values, values.length);
    }
}

package org.batchnorm.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.function.BiConsumer;
import java.util.stream.Stream;
import org.batchnorm.data.BatchShape;
import org.batchnorm.state.Safetensors;
import org.batchnorm.state.SafetensorsException;
import org.batchnorm.state.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class ConformanceCaseTest {

    @Test
    void readsAFile() {
        ConformanceCase given = ConformanceFiles.read("train_nhwc_2_5_6_3");
        assertThat(given.name()).isEqualTo("train_nhwc_2_5_6_3");
        assertThat(given.mode()).isEqualTo(ConformanceCase.Mode.TRAINING);
        assertThat(given.shape()).isEqualTo(BatchShape.channelsLast(2, 3, 5, 6));
        assertThat(given.config().eps()).isEqualTo(1e-5);
        assertThat(given.config().momentum()).hasValue(0.1);
        assertThat(given.config().affine()).isTrue();
        assertThat(given.config().trackRunningStatistics()).isTrue();
        assertThat(given.x()).hasSize(180);
        assertThat(given.dy().orElseThrow()).hasSize(180);
        assertThat(given.expected(Quantity.DX).orElseThrow()).hasToString("F64[2, 5, 6, 3]");
        assertThat(given.pytorchError(Quantity.Y)).hasValue(4.456e-07);
        assertThat(given.pytorchError(Quantity.NUM_BATCHES_TRACKED)).isEmpty();
        assertThat(given).hasToString("train_nhwc_2_5_6_3 (training, (2, 30, 3) channels-last)");
    }

    @Test
    void whatIsMissingTellsTheLayersOptions() {
        assertThat(ConformanceFiles.read("train_no_affine").config().affine()).isFalse();
        assertThat(ConformanceFiles.read("eval_without_running_statistics")
                        .config()
                        .trackRunningStatistics())
                .isFalse();
        assertThat(ConformanceFiles.read("train_cumulative_momentum").config().momentum())
                .isEmpty();
        assertThat(ConformanceFiles.read("eval_n1_c17").mode()).isEqualTo(ConformanceCase.Mode.INFERENCE);
    }

    @Test
    void numbersThatAreNotFiniteAreReadAsPythonWritesThem() {
        Map<String, Tensor> tensors = tensors();
        Map<String, String> metadata = metadata();
        metadata.put("pytorch_float32_max_abs_error.y", "inf");
        metadata.put("pytorch_float32_max_abs_error.dx", "nan");
        ConformanceCase given = ConformanceCase.of("case", new Safetensors.Contents(tensors, metadata));
        assertThat(given.pytorchError(Quantity.Y)).hasValue(Double.POSITIVE_INFINITY);
        assertThat(given.pytorchError(Quantity.DX)).isEmpty();
    }

    static Stream<Arguments> wrong() {
        return Stream.of(
                wrong(
                        "no format",
                        (t, m) -> m.remove("format"),
                        "metadata format: nothing given, must be batchnorm-case"),
                wrong(
                        "format",
                        (t, m) -> m.put("format", "pt"),
                        "metadata format: \"pt\" given, must be batchnorm-case"),
                wrong("version", (t, m) -> m.put("version", "2"), "metadata version: \"2\" given, must be 1"),
                wrong(
                        "mode",
                        (t, m) -> m.put("mode", "test"),
                        "metadata mode: \"test\" given, must be training or inference"),
                wrong(
                        "layout",
                        (t, m) -> m.put("layout", "NHWC"),
                        "metadata layout: \"NHWC\" given, must be channels_first or channels_last"),
                wrong("no eps", (t, m) -> m.remove("eps"), "metadata eps: nothing given, must be a number"),
                wrong(
                        "eps no number",
                        (t, m) -> m.put("eps", "tiny"),
                        "metadata eps: \"tiny\" given, must be a number"),
                wrong("eps negative", (t, m) -> m.put("eps", "-1"), "eps: -1.0 given, must be"),
                wrong("eps infinite", (t, m) -> m.put("eps", "-inf"), "eps: -Infinity given, must be"),
                wrong(
                        "momentum",
                        (t, m) -> m.put("momentum", "None"),
                        "metadata momentum: \"None\" given, must be a number"),
                wrong("momentum range", (t, m) -> m.put("momentum", "1.5"), "momentum: 1.5 given, must be"),
                wrong(
                        "PyTorch's error",
                        (t, m) -> m.put("pytorch_float32_max_abs_error.y", "?"),
                        "metadata pytorch_float32_max_abs_error.y: \"?\" given, must be a number"),
                wrong("no x", (t, m) -> t.remove("x"), "tensor \"x\" is missing, must be there as F32"),
                wrong(
                        "x of integers",
                        (t, m) -> t.put("x", Tensor.ofLongs(new long[8], 4, 2)),
                        "tensor \"x\" is I64[4, 2], must be F32"),
                wrong(
                        "x alone of doubles",
                        (t, m) -> t.put("x", Tensor.ofDoubles(new double[8], 4, 2)),
                        "tensor \"dy\" is F32[4, 2], must be F64"),
                wrong(
                        "x of one axis",
                        (t, m) -> t.put("x", floats(8)),
                        "tensor \"x\" has shape [8], must have at least two axes"),
                wrong("no features", (t, m) -> t.put("x", floats(4, 0)), "c: 0 given, must be at least 1 feature"),
                wrong(
                        "too many features",
                        (t, m) -> t.put("x", floats(0, 1L << 31)),
                        "tensor \"x\" has 2147483648 features, must be at most"),
                wrong(
                        "no y",
                        (t, m) -> t.remove("expected.y"),
                        "tensor \"expected.y\" is missing, must be there as F64"),
                wrong(
                        "y of floats",
                        (t, m) -> t.put("expected.y", floats(4, 2)),
                        "tensor \"expected.y\" is F32[4, 2], must be F64"),
                wrong(
                        "y of another shape",
                        (t, m) -> t.put("expected.y", doubles(2, 4)),
                        "tensor \"expected.y\" is F64[2, 4], must be F64[4, 2]"),
                wrong(
                        "dy of another shape",
                        (t, m) -> t.put("dy", floats(2, 4)),
                        "tensor \"dy\" is F32[2, 4], must be F32[4, 2]"),
                wrong(
                        "weight of another shape",
                        (t, m) -> t.put("weight", floats(1, 2)),
                        "tensor \"weight\" is F32[1, 2], must be F32[2]"),
                wrong(
                        "mean of another shape",
                        (t, m) -> t.put("expected.mean", doubles(3)),
                        "tensor \"expected.mean\" is F64[3], must be F64[2]"),
                wrong(
                        "count of another shape",
                        (t, m) -> t.put("num_batches_tracked", Tensor.ofLongs(new long[1], 1)),
                        "is I64[1], must be I64[]"),
                wrong(
                        "running variance alone",
                        (t, m) -> t.remove("running_mean"),
                        "tensor \"running_var\" given without \"running_mean\""),
                wrong(
                        "running mean alone",
                        (t, m) -> t.remove("running_var"),
                        "tensor \"running_mean\" given without \"running_var\""),
                wrong("dx without dy", (t, m) -> t.remove("dy"), "tensor \"expected.dx\" given without \"dy\""),
                wrong(
                        "dweight without weight",
                        (t, m) -> {
                            t.remove("weight");
                            t.remove("bias");
                        },
                        "tensor \"expected.dweight\" given without \"weight\""),
                wrong(
                        "a name that means nothing",
                        (t, m) -> t.put("expected.Y", doubles(4, 2)),
                        "tensors [expected.Y] given, must be among [bias, dy, expected.dbias,"));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("wrong")
    void aFileThatIsNoCaseIsRefused(
            String what,
            BiConsumer<Map<String, Tensor>, Map<String, String>> spoil,
            String message,
            @TempDir Path folder)
            throws IOException {
        Map<String, Tensor> tensors = tensors();
        Map<String, String> metadata = metadata();
        spoil.accept(tensors, metadata);
        Path file = folder.resolve("case.safetensors");
        Safetensors.write(file, tensors, metadata);
        assertThatThrownBy(() -> ConformanceCase.read(file))
                .as(what)
                .isInstanceOf(SafetensorsException.class)
                .hasMessageStartingWith(file + ": no valid conformance case: ")
                .hasMessageContaining(message);
    }

    private static Arguments wrong(
            String what, BiConsumer<Map<String, Tensor>, Map<String, String>> spoil, String message) {
        return arguments(what, spoil, message);
    }

    private static Map<String, Tensor> tensors() {
        Map<String, Tensor> tensors = new HashMap<>();
        tensors.put("x", floats(4, 2));
        tensors.put("dy", floats(4, 2));
        tensors.put("weight", floats(2));
        tensors.put("bias", floats(2));
        tensors.put("running_mean", floats(2));
        tensors.put("running_var", floats(2));
        tensors.put("num_batches_tracked", Tensor.ofLong(0));
        tensors.put("expected.y", doubles(4, 2));
        tensors.put("expected.dx", doubles(4, 2));
        tensors.put("expected.dweight", doubles(2));
        tensors.put("expected.dbias", doubles(2));
        return tensors;
    }

    private static Map<String, String> metadata() {
        return new HashMap<>(Map.of(
                "format", "batchnorm-case",
                "version", "1",
                "mode", "training",
                "eps", "1e-05",
                "momentum", "0.1",
                "layout", "channels_first"));
    }

    private static Tensor floats(long... shape) {
        return Tensor.ofFloats(new float[elements(shape)], shape);
    }

    private static Tensor doubles(long... shape) {
        return Tensor.ofDoubles(new double[elements(shape)], shape);
    }

    private static int elements(long... shape) {
        int elements = 1;
        for (long extent : shape) {
            elements = (int) (elements * extent);
        }
        return elements;
    }
}

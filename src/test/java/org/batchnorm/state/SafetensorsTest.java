package org.batchnorm.state;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import java.io.IOException;
import java.io.InputStream;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class SafetensorsTest {
    private static final String ONE_FLOAT = "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}";

    @TempDir
    Path folder;

    @Test
    void whatWasWrittenIsRead() throws IOException {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        tensors.put(
                "weight",
                Tensor.ofFloats(
                        new float[] {1, -0f, Float.NaN, Float.NEGATIVE_INFINITY, Float.MIN_VALUE, Float.MAX_VALUE},
                        2,
                        3));
        tensors.put("count \"né\"\n", Tensor.ofLong(Long.MIN_VALUE));
        tensors.put("", Tensor.ofDoubles(new double[] {Math.PI, Double.MIN_VALUE}, 2, 1, 1));
        tensors.put("nothing", Tensor.ofFloats(new float[0], 3, 0));
        Map<String, String> metadata = Map.of("format", "pt", "ключ", "\u0000 \"quoted\"");
        Path file = folder.resolve("state.safetensors");
        Safetensors.write(file, tensors, metadata);

        Safetensors.Contents contents = Safetensors.read(file);
        assertThat(contents.tensors()).containsExactlyInAnyOrderEntriesOf(tensors);
        assertThat(contents.metadata()).containsExactlyInAnyOrderEntriesOf(metadata);
    }

    @Test
    void tensorsLargerThanTheBufferAreRead() throws IOException {
        double[] values = new double[300_001];
        Arrays.setAll(values, i -> i * 0.5 - 7);
        float[] floats = new float[700_003];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = -i;
        }
        Map<String, Tensor> tensors =
                Map.of("d", Tensor.ofDoubles(values, values.length), "f", Tensor.ofFloats(floats, floats.length));
        Path file = folder.resolve("large.safetensors");
        Safetensors.write(file, tensors, Map.of());
        assertThat(Safetensors.read(file).tensors()).isEqualTo(tensors);
    }

    @Test
    void anEmptyFileOfTensorsIsValid() throws IOException {
        Path file = folder.resolve("empty.safetensors");
        Safetensors.write(file, Map.of(), Map.of());
        assertThat(Safetensors.read(file).tensors()).isEmpty();
        assertThat(Safetensors.read(file).metadata()).isEmpty();
    }

    /** The format's own library writes the same bytes: aligned, wide types first, no gaps. */
    @Test
    void theBytesAreThoseOfTheFormat() throws IOException {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        tensors.put("w", Tensor.ofFloats(new float[] {1.5f, -2f}, 2));
        tensors.put("n", Tensor.ofLong(258));
        Path file = folder.resolve("bytes.safetensors");
        Safetensors.write(file, tensors, Map.of("k", "v"));

        ByteBuffer bytes = ByteBuffer.wrap(Files.readAllBytes(file)).order(ByteOrder.LITTLE_ENDIAN);
        int headerBytes = (int) bytes.getLong();
        byte[] header = new byte[headerBytes];
        bytes.get(header);
        assertThat(headerBytes % 8).isZero();
        assertThat(new String(header, StandardCharsets.UTF_8).strip())
                .isEqualTo("{\"__metadata__\":{\"k\":\"v\"},"
                        + "\"n\":{\"dtype\":\"I64\",\"shape\":[],\"data_offsets\":[0,8]},"
                        + "\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[8,16]}}");
        assertThat(bytes.getLong()).isEqualTo(258);
        assertThat(bytes.getFloat()).isEqualTo(1.5f);
        assertThat(bytes.getFloat()).isEqualTo(-2f);
        assertThat(bytes.hasRemaining()).isFalse();
    }

    @Test
    void filesWrittenByPyTorchAreRead() throws IOException {
        Path file = folder.resolve("case.safetensors");
        try (InputStream resource = SafetensorsTest.class.getResourceAsStream(
                "/org/batchnorm/conformance/train_nhwc_2_5_6_3.safetensors")) {
            Files.copy(resource, file);
        }
        Safetensors.Contents contents = Safetensors.read(file);
        assertThat(contents.metadata())
                .containsEntry("format", "batchnorm-case")
                .containsEntry("layout", "channels_last");
        assertThat(contents.tensors().get("x")).hasToString("F32[2, 5, 6, 3]");
        assertThat(contents.tensors().get("expected.y")).hasToString("F64[2, 5, 6, 3]");
        assertThat(contents.tensors().get("num_batches_tracked")).hasToString("I64[]");
        assertThat(contents.tensors().get("expected.mean").doubles()).doesNotContain(Double.NaN, 0.0);
    }

    @Test
    void writingReplacesTheWholeFileAndLeavesNothingBeside() throws IOException {
        Path file = folder.resolve("state.safetensors");
        Files.writeString(file, "something longer that was there before ".repeat(100));
        Safetensors.write(file, Map.of("n", Tensor.ofLong(1)), Map.of());
        assertThat(Safetensors.read(file).tensors()).containsOnlyKeys("n");
        assertThat(children()).containsExactly(file);
    }

    @Test
    void aFailedWriteLeavesTheOldFileAndNothingBeside() throws IOException {
        Path file = folder.resolve("state.safetensors");
        Files.writeString(file, "old");
        assertThatThrownBy(() -> Safetensors.write(file, Map.of("__metadata__", Tensor.ofLong(1)), Map.of()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContainingAll("tensors", "__metadata__", "another name");
        Path occupied = Files.createDirectory(folder.resolve("folder"));
        Files.writeString(occupied.resolve("child"), "");
        assertThatThrownBy(() -> Safetensors.write(occupied, Map.of("n", Tensor.ofLong(1)), Map.of()))
                .isInstanceOf(IOException.class);
        assertThat(file).hasContent("old");
        assertThat(children()).containsExactlyInAnyOrder(file, occupied);
    }

    @Test
    void aMissingFileOrAFolderIsTold() {
        assertThatThrownBy(() -> Safetensors.read(folder.resolve("absent"))).isInstanceOf(NoSuchFileException.class);
        assertThatThrownBy(() -> Safetensors.read(folder))
                .isInstanceOf(SafetensorsException.class)
                .hasMessageContainingAll(folder.toString(), "is a folder");
    }

    static Stream<Arguments> malformed() {
        return Stream.of(
                arguments("empty file", new byte[0], "has 0 bytes, must have at least 8"),
                arguments("half a length", new byte[5], "has 5 bytes, must have at least 8"),
                arguments("no header", file(0, "", 0), "header length 0, must be from 2 to 0"),
                arguments(
                        "header cut",
                        file(ONE_FLOAT.length() + 5, ONE_FLOAT, 4),
                        "header length " + (ONE_FLOAT.length() + 5) + ", must be from 2 to "
                                + (ONE_FLOAT.length() + 4)),
                arguments(
                        "header length of all ones",
                        file(-1, ONE_FLOAT, 4),
                        "header length 18446744073709551615, must be from 2 to"),
                arguments(
                        "header length 2^62",
                        file(1L << 62, ONE_FLOAT, 4),
                        "header length 4611686018427387904, must be from 2 to"),
                arguments("not an object", file("[1,2]", 0), "starts with byte 0x5b, must start with '{'"),
                arguments(
                        "UTF-16",
                        file(new String(new byte[] {'{', 0, '}', 0}, StandardCharsets.ISO_8859_1), 0),
                        "no valid JSON"),
                arguments("broken UTF-8", brokenUtf8(), "no UTF-8 text"),
                arguments("JSON cut", file("{\"a\":{\"dtype\":\"F32\",", 4), "no valid JSON"),
                arguments("JSON garbled", file("{\"a\" \"b\"}", 4), "no valid JSON"),
                arguments("text after the object", file(ONE_FLOAT + " {}", 4), "goes on after its closing brace"),
                arguments("garbage after the object", file(ONE_FLOAT + " x", 4), "no valid JSON"),
                arguments(
                        "nested too deeply",
                        file("{\"a\":".repeat(20_000), 0),
                        "no valid JSON: Document nesting depth"),
                arguments(
                        "tensor twice",
                        file(ONE_FLOAT.replace("}}", "},") + ONE_FLOAT.substring(1), 4),
                        "tensor \"a\": is there twice"),
                arguments(
                        "metadata twice",
                        file("{\"__metadata__\":{},\"__metadata__\":{}}", 0),
                        "__metadata__ is there twice"),
                arguments(
                        "metadata key twice",
                        file("{\"__metadata__\":{\"k\":\"v\",\"k\":\"v\"}}", 0),
                        "__metadata__.k is there twice"),
                arguments(
                        "metadata no object",
                        file("{\"__metadata__\":3}", 0),
                        "__metadata__ is 3, must be an object of strings"),
                arguments(
                        "metadata no string",
                        file("{\"__metadata__\":{\"k\":3}}", 0),
                        "__metadata__.k is 3, must be a string"),
                arguments(
                        "tensor no object",
                        file("{\"a\":3}", 0),
                        "tensor \"a\": is 3, must be an object with dtype, shape and data_offsets"),
                arguments(
                        "unknown type",
                        file(ONE_FLOAT.replace("F32", "F4"), 4),
                        "tensor \"a\": its type \"F4\" cannot be read; read the others by their names or a prefix"),
                arguments(
                        "type no string",
                        file(ONE_FLOAT.replace("\"F32\"", "32"), 4),
                        "tensor \"a\": dtype is 32, must be a string such as \"F32\""),
                arguments(
                        "type twice",
                        file(ONE_FLOAT.replace("\"F32\"", "\"F32\",\"dtype\":\"F32\""), 4),
                        "dtype is there twice"),
                arguments(
                        "type missing", file(ONE_FLOAT.replace("dtype", "type"), 4), "tensor \"a\": dtype is missing"),
                arguments(
                        "shape missing", file(ONE_FLOAT.replace("shape", "size"), 4), "tensor \"a\": shape is missing"),
                arguments(
                        "offsets missing",
                        file(ONE_FLOAT.replace("data_offsets", "offsets"), 4),
                        "tensor \"a\": data_offsets is missing"),
                arguments(
                        "shape no list",
                        file(ONE_FLOAT.replace("[1]", "1"), 4),
                        "tensor \"a\": shape is 1, must be a list of integers"),
                arguments(
                        "shape twice", file(ONE_FLOAT.replace("[1]", "[1],\"shape\":[1]"), 4), "shape is there twice"),
                arguments(
                        "negative extent",
                        file(ONE_FLOAT.replace("[1]", "[-1]"), 4),
                        "tensor \"a\": shape has -1 in it"),
                arguments(
                        "fractional extent",
                        file(ONE_FLOAT.replace("[1]", "[1.0]"), 4),
                        "tensor \"a\": shape has 1.0 in it"),
                arguments(
                        "extent of 2^64",
                        file(ONE_FLOAT.replace("[1]", "[18446744073709551616]"), 4),
                        "tensor \"a\": shape has 18446744073709551616 in it"),
                arguments(
                        "shape overflows",
                        file(ONE_FLOAT.replace("[1]", "[4294967296,4294967296]"), 4),
                        "tensor \"a\": shape: the product of [4294967296, 4294967296] overflows"),
                arguments(
                        "shape larger than the bytes",
                        file(ONE_FLOAT.replace("[1]", "[2]"), 4),
                        "tensor \"a\": F32[2] has 2 elements of 4 bytes, but data_offsets [0, 4] hold 4 bytes"),
                arguments(
                        "huge shape, few bytes",
                        file(ONE_FLOAT.replace("[1]", "[4611686018427387905]"), 4),
                        "has 4611686018427387905 elements of 4 bytes, but data_offsets [0, 4] hold 4 bytes"),
                arguments(
                        "three offsets",
                        file(ONE_FLOAT.replace("[0,4]", "[0,4,4]"), 4),
                        "data_offsets [0, 4, 4] given, must be [begin, end]"),
                arguments(
                        "offsets turned around",
                        file(ONE_FLOAT.replace("[0,4]", "[4,0]"), 4),
                        "data_offsets [4, 0] given, must be [begin, end]"),
                arguments(
                        "data cut",
                        file(ONE_FLOAT, 3),
                        "tensor \"a\": data_offsets [0, 4] given, must end at or before 3"),
                arguments(
                        "offsets out of the file, and huge",
                        file(ONE_FLOAT.replace("[1]", "[2000000000]").replace("[0,4]", "[0,8000000000]"), 4),
                        "tensor \"a\": data_offsets [0, 8000000000] given, must end at or before 4"),
                arguments(
                        "trailing bytes",
                        file(ONE_FLOAT, 9),
                        "5 bytes follow the last tensor, must be 0: data must end at 4, ends at 9"),
                arguments(
                        "a gap first",
                        file(ONE_FLOAT.replace("[0,4]", "[4,8]"), 8),
                        "data_offsets [4, 8] leave a gap, must start at 0"),
                arguments(
                        "an overlap",
                        file(two("[0,4]", "[2,6]"), 6),
                        "tensor \"b\": data_offsets [2, 6] overlap tensor \"a\", must start at 4"),
                arguments("the same place", file(two("[0,4]", "[0,4]"), 4), "overlap tensor"),
                arguments(
                        "a gap between",
                        file(two("[0,4]", "[8,12]"), 12),
                        "tensor \"b\": data_offsets [8, 12] leave a gap, must start at 4"),
                arguments("a long name", file("{\"" + "n".repeat(2000) + "\":3}", 0), "n".repeat(100) + "…\": is 3"));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("malformed")
    void aMalformedFileIsRefused(String what, byte[] bytes, String message) throws IOException {
        Path file = folder.resolve("bad.safetensors");
        Files.write(file, bytes);
        assertThatThrownBy(() -> Safetensors.read(file))
                .as(what)
                .isInstanceOf(SafetensorsException.class)
                .hasMessageStartingWith(file + ": ")
                .hasMessageContaining(message);
    }

    /** Every truncated file is refused, always by a {@link SafetensorsException}. */
    @Test
    void everyTruncationIsRefused() throws IOException {
        byte[] good = file(two("[0,4]", "[4,8]"), 8);
        Path file = folder.resolve("cut.safetensors");
        for (int length = 0; length < good.length; length++) {
            Files.write(file, Arrays.copyOf(good, length));
            assertThatThrownBy(() -> Safetensors.read(file)).isInstanceOf(SafetensorsException.class);
        }
        Files.write(file, good);
        assertThat(Safetensors.read(file).tensors()).containsOnlyKeys("a", "b");
    }

    /** With any byte wrong, the file is read or a {@link SafetensorsException} is thrown, no other exception. */
    @ParameterizedTest
    @ValueSource(ints = {0x00, 0x22, 0x39, 0x7b, 0x80, 0xff})
    void noWrongByteLeadsToAnotherException(int wrong) throws IOException {
        byte[] good = file(two("[0,4]", "[4,8]"), 8);
        Path file = folder.resolve("wrong.safetensors");
        for (int position = 0; position < good.length; position++) {
            byte[] bytes = good.clone();
            bytes[position] = (byte) wrong;
            Files.write(file, bytes);
            try {
                assertThat(Safetensors.read(file).tensors()).isNotNull();
            } catch (SafetensorsException expected) {
                assertThat(expected).hasMessageContaining(file.toString());
            }
        }
    }

    /**
     * A sparse file of 3 GB whose header is 2 GB long by its own account. The format's limit refuses it before memory
     * is allocated.
     */
    @Test
    void aHugeHeaderIsRefusedEvenWhereTheFileHasIt() throws IOException {
        Path file = folder.resolve("huge.safetensors");
        try (RandomAccessFile sparse = new RandomAccessFile(file.toFile(), "rw")) {
            sparse.setLength(3_000_000_000L);
            sparse.write(ByteBuffer.allocate(8)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putLong(2_000_000_000L)
                    .array());
        }
        assertThatThrownBy(() -> Safetensors.read(file))
                .isInstanceOf(SafetensorsException.class)
                .hasMessageContaining("header length 2000000000, must be from 2 to 100000000, the format's limit");
    }

    /** A sparse file of 2.2 GB. It can be listed, and its tensor cannot be read into an array. */
    @Test
    void moreElementsThanAnArrayHoldsAreRefusedOnceAskedFor() throws IOException {
        String header =
                ONE_FLOAT.replace("F32", "U8").replace("[1]", "[2200000000]").replace("[0,4]", "[0,2200000000]");
        Path file = folder.resolve("large.safetensors");
        try (RandomAccessFile sparse = new RandomAccessFile(file.toFile(), "rw")) {
            sparse.write(file(header, 0));
            sparse.setLength(sparse.length() + 2_200_000_000L);
        }
        assertThat(Safetensors.list(file).tensors().get("a")).hasToString("U8[2200000000]");
        assertThatThrownBy(() -> Safetensors.read(file))
                .isInstanceOf(SafetensorsException.class)
                .hasMessageContaining(
                        "tensor \"a\": U8[2200000000] has 2200000000 elements, must be at most 2147483639");
    }

    @Test
    void unknownFieldsOfATensorAreSkipped() throws IOException {
        Path file = folder.resolve("later.safetensors");
        Files.write(file, file(ONE_FLOAT.replace("{\"dtype\"", "{\"later\":{\"x\":[1]},\"dtype\""), 4));
        assertThat(Safetensors.read(file).tensors()).containsOnlyKeys("a");
    }

    private List<Path> children() throws IOException {
        try (Stream<Path> children = Files.list(folder)) {
            return children.toList();
        }
    }

    private static String two(String offsetsOfA, String offsetsOfB) {
        return ONE_FLOAT.replace("[0,4]", offsetsOfA).replace("}}", "},")
                + ONE_FLOAT
                        .replace("\"a\"", "\"b\"")
                        .replace("[0,4]", offsetsOfB)
                        .substring(1);
    }

    private static byte[] brokenUtf8() {
        byte[] bytes = file(ONE_FLOAT, 4);
        bytes[10] = (byte) 0xff;
        return bytes;
    }

    private static byte[] file(String header, int dataBytes) {
        return file(header.length(), header, dataBytes);
    }

    private static byte[] file(long headerLength, String header, int dataBytes) {
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(8 + json.length + dataBytes)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(headerLength)
                .put(json)
                .array();
    }
}

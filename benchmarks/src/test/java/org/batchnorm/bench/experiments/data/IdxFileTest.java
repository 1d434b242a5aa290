package org.batchnorm.bench.experiments.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class IdxFileTest {
    private static final int IMAGES = 0x00000803;
    private static final int LABELS = 0x00000801;

    @TempDir
    private Path directory;

    @Test
    void readsImagesPlainAndGzipped() throws IOException {
        byte[] file = idx(IMAGES, new int[] {2, 1, 3}, 1, 2, 3, 250, 251, 252);

        for (byte[] written : new byte[][] {file, gzip(file)}) {
            IdxFile idx = IdxFile.read(write(written), 3);
            assertThat(idx.dimensions()).containsExactly(2, 1, 3);
            assertThat(idx.data()).containsExactly(1, 2, 3, 250, 251, 252);
        }
    }

    static Stream<Arguments> badFiles() throws IOException {
        byte[] right = idx(IMAGES, new int[] {2, 2, 2}, 1, 2, 3, 4, 5, 6, 7, 8);
        byte[] gzipped = gzip(right);
        byte[] damaged = gzipped.clone();
        damaged[damaged.length - 8] ^= 1; // the checksum
        return Stream.of(
                arguments("empty", new byte[0], "is truncated, 0 bytes found"),
                arguments("header cut", Arrays.copyOf(right, 10), "is truncated, 10 bytes found"),
                arguments("data cut", Arrays.copyOf(right, 20), "states the dimensions 2 × 2 × 2, 8 values"),
                arguments("one byte too many", Arrays.copyOf(right, 25), "is longer than its header states"),
                arguments(
                        "labels for images",
                        idx(LABELS, new int[] {1}, 1),
                        "starts with 0x00000801, must be 0x00000803"),
                arguments("floats", idx(0x00000D03, new int[] {1, 1, 1}, 0, 0, 0, 0), "starts with 0x00000d03"),
                arguments(
                        "text",
                        "hello, world, this is text".getBytes(StandardCharsets.US_ASCII),
                        "starts with 0x68656c6c"),
                arguments("no image", idx(IMAGES, new int[] {0, 2, 2}), "0 × 2 × 2, must be at least 1 each"),
                arguments("negative", idx(IMAGES, new int[] {-1, 2, 2}), "4294967295 × 2 × 2, must be at least 1 each"),
                arguments("huge", idx(IMAGES, new int[] {Integer.MAX_VALUE, 1, 1}, 1), "must be fewer than 2^31"),
                arguments("a lie", idx(IMAGES, new int[] {2_000_000_000, 1, 1}, 1), "the file can hold at most 1"),
                arguments(
                        "product beyond 2^63",
                        idx(IMAGES, new int[] {Integer.MAX_VALUE, Integer.MAX_VALUE, Integer.MAX_VALUE}, 1),
                        "must be fewer than 2^31"),
                arguments("gzipped, cut", Arrays.copyOf(gzipped, gzipped.length - 12), "is truncated"),
                arguments("gzipped, header alone", Arrays.copyOf(gzipped, 10), "is truncated"),
                arguments("gzipped, damaged", damaged, "data are damaged"),
                arguments("gzipped, data cut", gzip(Arrays.copyOf(right, 20)), "4 values found, its header states"),
                arguments("gzipped, too long", gzip(Arrays.copyOf(right, 30)), "is longer than its header states"),
                arguments(
                        "gzipped, a lie",
                        gzip(idx(IMAGES, new int[] {2_000_000_000, 1, 1}, 1)),
                        "the file can hold at most"));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("badFiles")
    void refusesBadFiles(String what, byte[] content, String message) throws IOException {
        Path file = write(content);

        assertThatThrownBy(() -> IdxFile.read(file, 3))
                .isInstanceOf(DataFormatException.class)
                .hasMessageContaining(file.toString())
                .hasMessageContaining(message);
    }

    @Test
    void aLieThatCompressionWouldAllowAllocatesNoMoreThanTheFileHas() throws IOException {
        // 500 kB that could unpack to 500 MB: the header says so, and nothing follows.
        byte[] noise = new byte[500_000];
        new java.util.Random(1).nextBytes(noise);
        byte[] file = gzip(concatenate(idx(IMAGES, new int[] {500_000_000, 1, 1}), noise));
        Path path = write(file);
        long before = allocated();

        assertThatThrownBy(() -> IdxFile.read(path, 3))
                .isInstanceOf(DataFormatException.class)
                .hasMessageContaining("is truncated, 500000 values found, its header states 500000000");
        assertThat(allocated() - before).isLessThan(10_000_000);
    }

    private static long allocated() {
        var threads = (com.sun.management.ThreadMXBean) java.lang.management.ManagementFactory.getThreadMXBean();
        return threads.getCurrentThreadAllocatedBytes();
    }

    private Path write(byte[] content) throws IOException {
        return Files.write(directory.resolve("file"), content);
    }

    static byte[] idx(int magic, int[] dimensions, int... data) {
        ByteBuffer buffer = ByteBuffer.allocate(4 + 4 * dimensions.length + data.length);
        buffer.putInt(magic);
        Arrays.stream(dimensions).forEach(buffer::putInt);
        Arrays.stream(data).forEach(value -> buffer.put((byte) value));
        return buffer.array();
    }

    static byte[] gzip(byte[] content) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (GZIPOutputStream out = new GZIPOutputStream(bytes)) {
            out.write(content);
        }
        return bytes.toByteArray();
    }

    private static byte[] concatenate(byte[] a, byte[] b) {
        byte[] both = Arrays.copyOf(a, a.length + b.length);
        System.arraycopy(b, 0, both, a.length, b.length);
        return both;
    }
}

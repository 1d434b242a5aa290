package org.batchnorm.state;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.SeekableByteChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Files of which only a part is read: whole models, types that nobody here knows. */
class SafetensorsPartsTest {

    @TempDir
    Path folder;

    /** Two floats of a sparse file of 400 MB. */
    @Test
    void onlyTheHeaderAndWhatIsAskedForIsRead() throws IOException {
        String header = "{\"big\":{\"dtype\":\"F32\",\"shape\":[100000000],\"data_offsets\":[0,400000000]},"
                + "\"bn.bias\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[400000000,400000008]},"
                + "\"last\":{\"dtype\":\"F32\",\"shape\":[1000],\"data_offsets\":[400000008,400004008]}}";
        Path file = folder.resolve("model.safetensors");
        try (RandomAccessFile sparse = new RandomAccessFile(file.toFile(), "rw")) {
            sparse.write(bytes(header, 0));
            sparse.setLength(8 + header.length() + 400_004_008L);
            sparse.seek(8 + header.length() + 400_000_000L);
            sparse.write(ByteBuffer.allocate(8)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putFloat(1.5f)
                    .putFloat(-2)
                    .array());
        }
        CountingChannel channel = new CountingChannel(Files.newByteChannel(file));
        try (SafetensorsReader reader = new SafetensorsReader(file, channel)) {
            assertThat(channel.read).isEqualTo(8 + header.length());
            assertThat(reader.read("bn.bias"::equals).get("bn.bias").floats()).containsExactly(1.5f, -2);
            assertThat(channel.read).isEqualTo(8 + header.length() + 8);
        }
        assertThat(channel.isOpen()).isFalse();

        Tensor expected = Tensor.ofFloats(new float[] {1.5f, -2}, 2);
        assertThat(Safetensors.read(file, List.of("bn.bias")).tensors()).isEqualTo(Map.of("bn.bias", expected));
        assertThat(Safetensors.readPrefix(file, "bn.").tensors()).isEqualTo(Map.of("bn.bias", expected));
        assertThat(Safetensors.readPrefix(file, "absent.").tensors()).isEmpty();
        assertThat(Safetensors.list(file).tensors()).containsOnlyKeys("big", "bn.bias", "last");
        assertThatThrownBy(() -> Safetensors.read(file, List.of("bn.bias", "bn.weight")))
                .isInstanceOf(SafetensorsException.class)
                .hasMessage(file + ": tensor \"bn.weight\": is not in the file");
    }

    @Test
    void everyTypeIsListedAndWrittenAgain() throws IOException {
        StringBuilder header = new StringBuilder("{\"__metadata__\":{\"format\":\"pt\"}");
        int end = 0;
        for (DType dtype : DType.values()) {
            header.append(entry(dtype.name(), end, end + 2 * dtype.bytes()));
            end += 2 * dtype.bytes();
        }
        Path file = folder.resolve("types.safetensors");
        Files.write(file, bytes(header.append('}').toString(), end));
        Safetensors.Listing listing = Safetensors.list(file);
        assertThat(listing.metadata()).isEqualTo(Map.of("format", "pt"));
        Safetensors.Contents contents = Safetensors.read(file);
        for (DType dtype : DType.values()) {
            assertThat(listing.tensors().get(dtype.name()))
                    .isEqualTo(new TensorInfo(dtype.name(), List.of(2L), 2L * dtype.bytes()))
                    .hasToString(dtype.name() + "[2]");
            assertThat(contents.tensors().get(dtype.name())).hasToString(dtype.name() + "[2]");
        }
        Path copy = folder.resolve("copy.safetensors");
        Safetensors.write(copy, contents.tensors(), contents.metadata());
        assertThat(Safetensors.read(copy).tensors()).isEqualTo(contents.tensors());
    }

    @Test
    void elementsAreLittleEndian() throws IOException {
        byte[] file = bytes("{" + entry("BF16", 0, 4).substring(1) + entry("I32", 4, 12) + "}", 12);
        byte[] data = {(byte) 0x80, 0x3f, 0x40, (byte) 0xc0, 1, 2, 0, 0, (byte) 0xff, (byte) 0xff, (byte) 0xff, -1};
        System.arraycopy(data, 0, file, file.length - data.length, data.length);
        Path path = folder.resolve("bf16.safetensors");
        Files.write(path, file);
        Map<String, Tensor> tensors = Safetensors.read(path).tensors();
        assertThat(tensors.get("BF16").floats()).containsExactly(1, -3);
        assertThat(tensors.get("I32").longs()).containsExactly(513, -1);
    }

    /** One strange tensor does not hide the others. */
    @Test
    void anUnknownTypeIsRefusedOnlyWhereItIsAskedFor() throws IOException {
        Path file = folder.resolve("strange.safetensors");
        Files.write(file, bytes("{" + entry("F4", 0, 1).substring(1) + entry("F32", 1, 9) + "}", 9));
        TensorInfo strange = Safetensors.list(file).tensors().get("F4");
        assertThat(strange).isEqualTo(new TensorInfo("F4", List.of(2L), 1));
        assertThat(strange.dtype()).isEqualTo(Optional.empty());
        assertThat(Safetensors.read(file, List.of("F32")).tensors().get("F32").floats())
                .containsExactly(0, 0);
        assertThatThrownBy(() -> Safetensors.read(file, List.of("F4")))
                .isInstanceOf(SafetensorsException.class)
                .hasMessageContaining(file + ": tensor \"F4\": its type \"F4\" cannot be read");
        assertThatThrownBy(() -> Safetensors.read(file)).isInstanceOf(SafetensorsException.class);
    }

    private static String entry(String type, int begin, int end) {
        return ",\"" + type + "\":{\"dtype\":\"" + type + "\",\"shape\":[2],\"data_offsets\":[" + begin + "," + end
                + "]}";
    }

    private static byte[] bytes(String header, int dataBytes) {
        byte[] json = header.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(8 + json.length + dataBytes)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putLong(json.length)
                .put(json)
                .array();
    }

    /** Counts the bytes that are read. */
    private static final class CountingChannel implements SeekableByteChannel {
        private final SeekableByteChannel channel;
        private long read;

        CountingChannel(SeekableByteChannel channel) {
            this.channel = channel;
        }

        @Override
        public int read(ByteBuffer target) throws IOException {
            int bytes = channel.read(target);
            read += bytes;
            return bytes;
        }

        @Override
        public int write(ByteBuffer source) {
            throw new UnsupportedOperationException();
        }

        @Override
        public long position() throws IOException {
            return channel.position();
        }

        @Override
        public SeekableByteChannel position(long position) throws IOException {
            channel.position(position);
            return this;
        }

        @Override
        public long size() throws IOException {
            return channel.size();
        }

        @Override
        public SeekableByteChannel truncate(long size) {
            throw new UnsupportedOperationException();
        }

        @Override
        public boolean isOpen() {
            return channel.isOpen();
        }

        @Override
        public void close() throws IOException {
            channel.close();
        }
    }
}

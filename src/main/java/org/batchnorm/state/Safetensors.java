package org.batchnorm.state;

import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;

/**
 * Reads and writes safetensors files. Such a file has three parts:
 *
 * <ul>
 *   <li>eight bytes with the length of the header, little-endian;
 *   <li>the header in JSON, with the type, the shape and the place of each tensor;
 *   <li>the elements, little-endian and row-major.
 * </ul>
 *
 * PyTorch, JAX and others read the files that are written here. Their files are read here if the types of all tensors
 * are {@link DType}s.
 *
 * <p>Everything in a file is checked before it is used. No memory is allocated for a length that the file does not
 * have. The tensors must fill the data exactly, without a gap or an overlap.
 *
 * @see <a href="https://github.com/huggingface/safetensors#format">The format</a>
 */
public final class Safetensors {

    /** The format's own limit for the header. */
    static final long MAX_HEADER_BYTES = 100_000_000;

    private static final int CHUNK_BYTES = 1 << 20;

    private Safetensors() {}

    /**
     * What a file holds.
     *
     * @param tensors by name, in the order of their data
     * @param metadata free text by key
     */
    public record Contents(Map<String, Tensor> tensors, Map<String, String> metadata) {}

    /**
     * Reads a whole file.
     *
     * @throws SafetensorsException if the file is malformed, or if a tensor's type is not in {@link DType}
     * @throws IOException if it cannot be read
     */
    public static Contents read(Path file) throws IOException {
        if (Files.isDirectory(file)) {
            throw new SafetensorsException(file, "is a folder, must be a safetensors file");
        }
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            long fileBytes = channel.size();
            int headerBytes = readHeaderLength(file, channel, fileBytes);
            byte[] header = new byte[headerBytes];
            readFully(file, channel, ByteBuffer.wrap(header), Long.BYTES);
            long dataStart = Long.BYTES + (long) headerBytes;
            SafetensorsHeader parsed = HeaderParser.parse(file, header);
            parsed.requireToFill(file, fileBytes - dataStart);
            Map<String, Tensor> tensors = new LinkedHashMap<>();
            for (SafetensorsHeader.Entry entry : parsed.entries()) {
                tensors.put(entry.name(), readTensor(file, channel, dataStart, entry));
            }
            return new Contents(tensors, parsed.metadata());
        }
    }

    /**
     * Writes a whole file or nothing: a temporary file beside it is written first and then renamed. The same tensors
     * and metadata give the same bytes.
     *
     * @param tensors by name
     * @param metadata free text by key, may be empty
     * @throws IllegalArgumentException if a name is {@code __metadata__}, which the format reserves
     * @throws IOException if it cannot be written; an older file of that name is then unchanged
     */
    public static void write(Path file, Map<String, Tensor> tensors, Map<String, String> metadata) throws IOException {
        // Wide types come first, so that every element is aligned to its size. Names settle the order of the others.
        List<Map.Entry<String, Tensor>> ordered = tensors.entrySet().stream()
                .sorted(Comparator.<Map.Entry<String, Tensor>>comparingInt(
                                entry -> -entry.getValue().dtype().bytes())
                        .thenComparing(Map.Entry::getKey))
                .toList();
        byte[] header = HeaderWriter.write(ordered, metadata);
        Path target = file.toAbsolutePath();
        Path temporary = target.resolveSibling("." + target.getFileName() + "." + UUID.randomUUID() + ".tmp");
        try {
            try (FileChannel channel =
                    FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
                ByteBuffer length = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
                writeFully(channel, length.putLong(header.length).flip());
                writeFully(channel, ByteBuffer.wrap(header));
                for (Map.Entry<String, Tensor> entry : ordered) {
                    writeTensor(channel, entry.getValue());
                }
                channel.force(true);
            }
            Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(temporary);
        }
    }

    private static int readHeaderLength(Path file, FileChannel channel, long fileBytes) throws IOException {
        if (fileBytes < Long.BYTES) {
            throw new SafetensorsException(
                    file,
                    "has " + fileBytes
                            + " bytes, must have at least 8 for the header's length: truncated, or no safetensors file");
        }
        ByteBuffer length = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        readFully(file, channel, length, 0);
        long headerBytes = length.flip().getLong();
        long most = Math.min(MAX_HEADER_BYTES, fileBytes - Long.BYTES);
        if (headerBytes < 2 || headerBytes > most) {
            throw new SafetensorsException(
                    file,
                    "header length " + Long.toUnsignedString(headerBytes) + ", must be from 2 to " + most
                            + (most == MAX_HEADER_BYTES
                                    ? ", the format's limit"
                                    : ", what the file has after it: truncated, or no safetensors file"));
        }
        return (int) headerBytes;
    }

    private static Tensor readTensor(Path file, FileChannel channel, long dataStart, SafetensorsHeader.Entry entry)
            throws IOException {
        DType dtype = entry.dtype();
        int elements = (int) (entry.bytes() / dtype.bytes());
        Object array = switch (dtype) {
            case F32 -> new float[elements];
            case F64 -> new double[elements];
            case I64 -> new long[elements];
        };
        Tensor tensor = Tensor.owning(dtype, array, entry.shape());
        MemorySegment destination = Tensor.segment(dtype, array);
        ByteBuffer chunk = chunk(entry.bytes());
        for (long done = 0; done < entry.bytes(); done += chunk.limit()) {
            chunk.clear().limit((int) Math.min(chunk.capacity(), entry.bytes() - done));
            readFully(file, channel, chunk, dataStart + entry.begin() + done);
            MemorySegment read = MemorySegment.ofBuffer(chunk.flip());
            copy(read, fileLayout(dtype), destination.asSlice(done, chunk.limit()), memoryLayout(dtype));
        }
        return tensor;
    }

    private static void writeTensor(FileChannel channel, Tensor tensor) throws IOException {
        DType dtype = tensor.dtype();
        MemorySegment source = tensor.segment();
        ByteBuffer chunk = chunk(source.byteSize());
        for (long done = 0; done < source.byteSize(); done += chunk.limit()) {
            chunk.clear().limit((int) Math.min(chunk.capacity(), source.byteSize() - done));
            MemorySegment written = MemorySegment.ofBuffer(chunk);
            copy(source.asSlice(done, chunk.limit()), memoryLayout(dtype), written, fileLayout(dtype));
            writeFully(channel, chunk);
        }
    }

    /** A buffer for what is read or written at once of a tensor of so many bytes. */
    private static ByteBuffer chunk(long bytes) {
        return ByteBuffer.allocate((int) Math.min(CHUNK_BYTES, bytes));
    }

    /** Copies all elements of {@code from}, which become those of {@code to}. */
    private static void copy(MemorySegment from, ValueLayout fromLayout, MemorySegment to, ValueLayout toLayout) {
        MemorySegment.copy(from, fromLayout, 0, to, toLayout, 0, from.byteSize() / fromLayout.byteSize());
    }

    /** An element in a file: little-endian, at any address. */
    private static ValueLayout fileLayout(DType dtype) {
        return memoryLayout(dtype).withOrder(ByteOrder.LITTLE_ENDIAN);
    }

    private static ValueLayout memoryLayout(DType dtype) {
        return switch (dtype) {
            case F32 -> ValueLayout.JAVA_FLOAT_UNALIGNED;
            case F64 -> ValueLayout.JAVA_DOUBLE_UNALIGNED;
            case I64 -> ValueLayout.JAVA_LONG_UNALIGNED;
        };
    }

    private static void readFully(Path file, FileChannel channel, ByteBuffer buffer, long position) throws IOException {
        int start = buffer.position();
        while (buffer.hasRemaining()) {
            if (channel.read(buffer, position + buffer.position() - start) < 0) {
                throw new SafetensorsException(
                        file, "ended at byte " + (position + buffer.position() - start) + " while it was read");
            }
        }
    }

    private static void writeFully(FileChannel channel, ByteBuffer buffer) throws IOException {
        while (buffer.hasRemaining()) {
            channel.write(buffer);
        }
    }
}

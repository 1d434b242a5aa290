package org.batchnorm.state;

import java.io.Closeable;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.SeekableByteChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Predicate;

/** A safetensors file whose header is read and checked, and whose tensors are read as they are asked for. */
final class SafetensorsReader implements Closeable {
    private static final int MAX_ELEMENTS = Integer.MAX_VALUE - 8;

    private final Path file;
    private final SeekableByteChannel channel;
    private final SafetensorsHeader header;
    private final long dataStart;

    /**
     * Reads the header.
     *
     * @param file its name, for messages
     * @param channel what is read; the reader closes it
     */
    SafetensorsReader(Path file, SeekableByteChannel channel) throws IOException {
        this.file = file;
        this.channel = channel;
        long fileBytes = channel.size();
        byte[] json = new byte[readHeaderLength(fileBytes)];
        readFully(ByteBuffer.wrap(json), Long.BYTES);
        this.dataStart = Long.BYTES + (long) json.length;
        this.header = HeaderParser.parse(file, json);
        header.requireToFill(file, fileBytes - dataStart);
    }

    /** Opens a file. */
    static SafetensorsReader open(Path file) throws IOException {
        if (Files.isDirectory(file)) {
            throw new SafetensorsException(file, "is a folder, must be a safetensors file");
        }
        FileChannel channel = FileChannel.open(file, StandardOpenOption.READ);
        try {
            return new SafetensorsReader(file, channel);
        } catch (Throwable e) {
            channel.close();
            throw e;
        }
    }

    SafetensorsHeader header() {
        return header;
    }

    /** Reads the tensors of some names, in the order of their data. */
    Map<String, Tensor> read(Predicate<String> names) throws IOException {
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        for (SafetensorsHeader.Entry entry : header.entries()) {
            if (names.test(entry.name())) {
                tensors.put(entry.name(), read(entry));
            }
        }
        return tensors;
    }

    private Tensor read(SafetensorsHeader.Entry entry) throws IOException {
        DType dtype = DType.named(entry.type())
                .orElseThrow(() -> SafetensorsException.ofTensor(
                        file,
                        entry.name(),
                        "its type \"" + SafetensorsException.quoted(entry.type())
                                + "\" cannot be read; read the others by their names or a prefix"));
        long elements = entry.bytes() / dtype.bytes();
        if (elements > MAX_ELEMENTS) {
            throw SafetensorsException.ofTensor(
                    file, entry.name(), entry + " has " + elements + " elements, must be at most " + MAX_ELEMENTS);
        }
        Elements read = Elements.zeros(dtype, (int) elements);
        MemorySegment destination = read.segment();
        ValueLayout inMemory = Elements.layout(dtype);
        ValueLayout inFile = inMemory.withOrder(ByteOrder.LITTLE_ENDIAN);
        ByteBuffer chunk = ByteBuffer.allocate(Safetensors.chunkBytes(entry.bytes()));
        for (long done = 0; done < entry.bytes(); done += chunk.limit()) {
            chunk.clear().limit((int) Math.min(chunk.capacity(), entry.bytes() - done));
            readFully(chunk, dataStart + entry.begin() + done);
            MemorySegment source = MemorySegment.ofBuffer(chunk.flip());
            long count = chunk.limit() / dtype.bytes();
            MemorySegment.copy(source, inFile, 0, destination, inMemory, done, count);
        }
        return Tensor.owning(read, entry.shape());
    }

    private int readHeaderLength(long fileBytes) throws IOException {
        if (fileBytes < Long.BYTES) {
            throw new SafetensorsException(
                    file,
                    "has " + fileBytes
                            + " bytes, must have at least 8 for the header's length: truncated, or no safetensors file");
        }
        ByteBuffer length = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        readFully(length, 0);
        long headerBytes = length.flip().getLong();
        long most = Math.min(Safetensors.MAX_HEADER_BYTES, fileBytes - Long.BYTES);
        if (headerBytes < 2 || headerBytes > most) {
            throw new SafetensorsException(
                    file,
                    "header length " + Long.toUnsignedString(headerBytes) + ", must be from 2 to " + most
                            + (most == Safetensors.MAX_HEADER_BYTES
                                    ? ", the format's limit"
                                    : ", what the file has after it: truncated, or no safetensors file"));
        }
        return (int) headerBytes;
    }

    private void readFully(ByteBuffer buffer, long position) throws IOException {
        channel.position(position);
        while (buffer.hasRemaining()) {
            if (channel.read(buffer) < 0) {
                throw new SafetensorsException(file, "ended at byte " + channel.position() + " while it was read");
            }
        }
    }

    @Override
    public void close() throws IOException {
        channel.close();
    }
}

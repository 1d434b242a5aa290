package org.batchnorm.state;

import java.io.IOException;
import java.io.OutputStream;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;

/**
 * Reads and writes safetensors files. Such a file has three parts:
 *
 * <ul>
 *   <li>eight bytes with the length of the header, little-endian;
 *   <li>the header in JSON, with the type, the shape and the place of each tensor;
 *   <li>the elements, little-endian and row-major.
 * </ul>
 *
 * PyTorch, JAX and others read the files that are written here, and their files are read here: whole, or only some
 * tensors, of which alone the types must be {@link DType}s.
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
     * What the header of a file tells of it.
     *
     * @param tensors by name, in the order of their data
     * @param metadata free text by key
     */
    public record Listing(Map<String, TensorInfo> tensors, Map<String, String> metadata) {}

    /**
     * Reads the header only. Types that are not in {@link DType} are listed, too.
     *
     * @throws SafetensorsException if the header is malformed, or the file is not as long as it says
     * @throws IOException if it cannot be read
     */
    public static Listing list(Path file) throws IOException {
        try (SafetensorsReader reader = SafetensorsReader.open(file)) {
            Map<String, TensorInfo> tensors = new LinkedHashMap<>();
            reader.header().entries().forEach(entry -> tensors.put(entry.name(), entry.info()));
            return new Listing(tensors, reader.header().metadata());
        }
    }

    /**
     * Reads a whole file.
     *
     * @throws SafetensorsException if the file is malformed, or if a tensor's type is not in {@link DType}
     * @throws IOException if it cannot be read
     */
    public static Contents read(Path file) throws IOException {
        return read(file, name -> true);
    }

    /**
     * Reads the tensors of these names, and of the rest of the file the header only.
     *
     * @throws SafetensorsException if the header is malformed, a tensor is not there, or its type is not in
     *     {@link DType}
     * @throws IOException if it cannot be read
     */
    public static Contents read(Path file, Collection<String> names) throws IOException {
        Set<String> wanted = Set.copyOf(names);
        Contents contents = read(file, wanted::contains);
        for (String name : wanted) {
            if (!contents.tensors.containsKey(name)) {
                throw SafetensorsException.ofTensor(file, name, "is not in the file");
            }
        }
        return contents;
    }

    /**
     * Reads the tensors whose names begin with a prefix, such as those of one layer, {@code layer1.0.bn1.}, and of the
     * rest of the file the header only.
     *
     * @return the tensors under their whole names; none where no name begins so
     * @throws SafetensorsException if the header is malformed, or if the type of one of them is not in {@link DType}
     * @throws IOException if it cannot be read
     */
    public static Contents readPrefix(Path file, String prefix) throws IOException {
        return read(file, name -> name.startsWith(prefix));
    }

    private static Contents read(Path file, Predicate<String> names) throws IOException {
        try (SafetensorsReader reader = SafetensorsReader.open(file)) {
            return new Contents(reader.read(names), reader.header().metadata());
        }
    }

    /**
     * Writes a whole file or nothing: a temporary file beside it is written first and then renamed. A symbolic link is
     * followed and stays; a file that was there keeps its permissions. The same tensors and metadata give the same
     * bytes.
     *
     * @param tensors by name
     * @param metadata free text by key, may be empty
     * @throws IllegalArgumentException if a name is {@code __metadata__}, which the format reserves, or if a name or a
     *     text is null, too long to be read again, or no valid Unicode
     * @throws IOException if it cannot be written, with the path that was given; an older file there is then unchanged
     */
    public static void write(Path file, Map<String, Tensor> tensors, Map<String, String> metadata) throws IOException {
        HeaderWriter.requireReadable(tensors, metadata);
        // Wide types come first, so that every element is aligned to its size. Names settle the order of the others.
        List<Map.Entry<String, Tensor>> ordered = tensors.entrySet().stream()
                .sorted(Comparator.<Map.Entry<String, Tensor>>comparingInt(
                                entry -> -entry.getValue().dtype().bytes())
                        .thenComparing(Map.Entry::getKey))
                .toList();
        byte[] header = HeaderWriter.write(ordered, metadata);
        ReplacedFile.write(file, out -> {
            ByteBuffer length = ByteBuffer.allocate(Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
            out.write(length.putLong(header.length).array());
            out.write(header);
            for (Map.Entry<String, Tensor> entry : ordered) {
                writeTensor(out, entry.getValue());
            }
        });
    }

    private static void writeTensor(OutputStream out, Tensor tensor) throws IOException {
        ValueLayout inMemory = Elements.layout(tensor.dtype());
        ValueLayout inFile = inMemory.withOrder(ByteOrder.LITTLE_ENDIAN);
        MemorySegment source = tensor.segment();
        byte[] chunk = new byte[chunkBytes(source.byteSize())];
        for (long done = 0; done < source.byteSize(); done += chunk.length) {
            int bytes = (int) Math.min(chunk.length, source.byteSize() - done);
            long elements = bytes / inMemory.byteSize();
            MemorySegment.copy(source, inMemory, done, MemorySegment.ofArray(chunk), inFile, 0, elements);
            out.write(chunk, 0, bytes);
        }
    }

    /** How many bytes are read or written at once of a tensor of so many. */
    static int chunkBytes(long bytes) {
        return (int) Math.min(CHUNK_BYTES, bytes);
    }
}

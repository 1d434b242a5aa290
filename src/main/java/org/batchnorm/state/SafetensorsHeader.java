package org.batchnorm.state;

import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * The contents of a safetensors header.
 *
 * @param entries the tensors, in the order of their data
 * @param metadata free text by key
 */
record SafetensorsHeader(List<Entry> entries, Map<String, String> metadata) {

    /** The key of the metadata. No tensor may have this name. */
    static final String METADATA = "__metadata__";

    /**
     * One tensor.
     *
     * @param name its name
     * @param type the type of its elements; one that is not in {@link DType} may be listed, not read
     * @param shape its extents
     * @param begin the offset of its first byte from the start of the data
     * @param end the offset after its last byte
     */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Entry(String name, String type, long[] shape, long begin, long end) {
        long bytes() {
            return end - begin;
        }

        /** What is told of it without reading it. */
        TensorInfo info() {
            return new TensorInfo(type, Arrays.stream(shape).boxed().toList(), bytes());
        }

        /** Type and shape, such as {@code F32[64, 3]}. */
        @Override
        public String toString() {
            return SafetensorsException.quoted(type) + Arrays.toString(shape);
        }

        /** Its offsets, for messages. */
        String offsets() {
            return "data_offsets [" + begin + ", " + end + "]";
        }
    }

    /**
     * Checks that the tensors fill the data exactly.
     *
     * @param file the file, for the message
     * @param dataBytes how many bytes follow the header in the file
     * @throws SafetensorsException if a tensor reaches beyond the data, if two overlap, or if bytes belong to none
     */
    void requireToFill(Path file, long dataBytes) throws SafetensorsException {
        long filled = 0;
        String before = "";
        for (Entry entry : entries) {
            if (entry.end > dataBytes) {
                throw SafetensorsException.ofTensor(
                        file,
                        entry.name,
                        entry.offsets() + " given, must end at or before " + dataBytes
                                + ", the bytes of data in the file: truncated, or wrong offsets");
            }
            if (entry.begin < filled) {
                throw SafetensorsException.ofTensor(
                        file,
                        entry.name,
                        entry.offsets() + " overlap tensor \"" + before + "\", must start at " + filled);
            }
            if (entry.begin > filled) {
                throw SafetensorsException.ofTensor(
                        file, entry.name, entry.offsets() + " leave a gap, must start at " + filled);
            }
            filled = entry.end;
            before = entry.name;
        }
        if (filled != dataBytes) {
            throw new SafetensorsException(
                    file,
                    (dataBytes - filled) + " bytes follow the last tensor, must be 0: data must end at " + filled
                            + ", ends at " + dataBytes);
        }
    }
}

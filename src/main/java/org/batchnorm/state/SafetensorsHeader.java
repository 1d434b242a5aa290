package org.batchnorm.state;

import java.nio.file.Path;
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
     * @param dtype the type of its elements
     * @param shape its extents
     * @param begin the offset of its first byte from the start of the data
     * @param end the offset after its last byte
     */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Entry(String name, DType dtype, long[] shape, long begin, long end) {
        long bytes() {
            return end - begin;
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

package org.batchnorm.bench.experiments.data;

import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;

/**
 * One file in IDX format, gzipped or not: two bytes of zeros, a byte for the type (8: unsigned bytes), a byte for the
 * number of dimensions, each dimension as 32 bits (big-endian), then the data, the last dimension changing fastest.
 *
 * @param dimensions the lengths of the dimensions
 * @param data the values, unsigned bytes; exactly the product of the dimensions
 */
@SuppressWarnings("ArrayRecordComponent") // A carrier between the reader and the data set, compared by nobody.
record IdxFile(int[] dimensions, byte[] data) {
    private static final int UNSIGNED_BYTES = 8;

    /** What deflate makes of one byte at most: data cannot be larger than the file times this. */
    private static final long LARGEST_COMPRESSION = 1032;

    /**
     * Reads a file of unsigned bytes.
     *
     * @param file gzipped if it starts as gzip data do, whatever its name
     * @param dimensionCount how many dimensions it must have
     * @throws DataFormatException if the file is not what the format says, is too short or too long for what its header
     *     states
     */
    static IdxFile read(Path file, int dimensionCount) throws IOException {
        long length = Files.size(file);
        try (BufferedInputStream raw = new BufferedInputStream(Files.newInputStream(file), 1 << 16)) {
            boolean gzipped = startsAsGzip(raw);
            try (InputStream in = gzipped ? new GZIPInputStream(raw, 1 << 16) : raw) {
                return read(in, file, dimensionCount, gzipped ? saturatedProduct(length, LARGEST_COMPRESSION) : length);
            }
        } catch (EOFException e) {
            throw new DataFormatException(file + ": is truncated, its compressed data end early", e);
        } catch (ZipException e) {
            throw new DataFormatException(file + ": its gzip data are damaged: " + e.getMessage(), e);
        }
    }

    private static IdxFile read(InputStream in, Path file, int dimensionCount, long largestLength) throws IOException {
        int headerLength = 4 + 4 * dimensionCount;
        byte[] header = in.readNBytes(headerLength);
        if (header.length >= 4) {
            checkMagic(header, file, dimensionCount);
        }
        if (header.length < headerLength) {
            throw new DataFormatException(file + ": is truncated, " + header.length
                    + " bytes found, its header alone must be " + headerLength);
        }
        int[] dimensions = new int[dimensionCount];
        ByteBuffer.wrap(header, 4, 4 * dimensionCount).asIntBuffer().get(dimensions);
        long elements = 1;
        for (int dimension : dimensions) {
            if (dimension < 1) {
                throw new DataFormatException(file + ": its header states the dimensions " + describe(dimensions)
                        + ", must be at least 1 each");
            }
            elements = saturatedProduct(elements, dimension);
        }
        if (elements > Integer.MAX_VALUE - headerLength) {
            throw new DataFormatException(file + ": its header states the dimensions " + describe(dimensions) + ", "
                    + elements + " values, must be fewer than 2^31");
        }
        if (elements > largestLength - headerLength) {
            throw new DataFormatException(file + ": is truncated or its header lies: it states the dimensions "
                    + describe(dimensions) + ", " + elements + " values, the file can hold at most "
                    + Math.max(0, largestLength - headerLength));
        }
        // Grows with what arrives: a header that lies within the bound above still allocates no more than the file has.
        byte[] data = in.readNBytes((int) elements);
        if (data.length < elements) {
            throw new DataFormatException(file + ": is truncated, " + data.length + " values found, its header states "
                    + describe(dimensions) + " = " + elements);
        }
        if (in.read() != -1) {
            throw new DataFormatException(file + ": is longer than its header states, " + describe(dimensions) + " = "
                    + elements + " values; the file or its header is damaged");
        }
        return new IdxFile(dimensions, data);
    }

    private static void checkMagic(byte[] header, Path file, int dimensionCount) throws DataFormatException {
        int magic = ByteBuffer.wrap(header).getInt();
        int right = UNSIGNED_BYTES << 8 | dimensionCount;
        if (magic != right) {
            throw new DataFormatException(String.format(
                    "%s: starts with 0x%08x, must be 0x%08x (IDX, unsigned bytes, %d %s)",
                    file, magic, right, dimensionCount, dimensionCount == 1 ? "dimension" : "dimensions"));
        }
    }

    private static boolean startsAsGzip(BufferedInputStream in) throws IOException {
        in.mark(2);
        byte[] start = in.readNBytes(2);
        in.reset();
        return start.length == 2 && (start[0] & 0xFF) == 0x1f && (start[1] & 0xFF) == 0x8b;
    }

    private static long saturatedProduct(long a, long b) {
        return a > Long.MAX_VALUE / b ? Long.MAX_VALUE : a * b;
    }

    private static String describe(int[] dimensions) {
        return String.join(
                " × ",
                Arrays.stream(dimensions).mapToObj(Integer::toUnsignedString).toList());
    }
}

package org.batchnorm.bench.experiments.data;

import java.io.BufferedReader;
import java.io.ByteArrayInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;

/**
 * The 1,797 handwritten digits of 8 × 8 pixels that ship with the project (UCI, CC BY 4.0, see ATTRIBUTION.txt beside
 * the file), and the reader for their format: gzipped CSV, a line an image, 64 values from 0 to 16 and the label from 0
 * to 9.
 */
public final class Digits {
    private static final String RESOURCE = "digits.csv.gz";
    private static final int WIDTH = 64;
    private static final int LARGEST_PIXEL = 16;
    private static final int CLASSES = 10;
    private static final int TEST_PARTS = 5;

    /** More than a hundred times what ships: a file beyond it is not this data set. */
    private static final int LARGEST_FILE = 32 << 20;

    private Digits() {}

    /** The digits, a fixed fifth of each class for testing: 1,438 to train on, 359 to test with. */
    public static TrainTest load() {
        try (InputStream in = Digits.class.getResourceAsStream(RESOURCE)) {
            if (in == null) {
                throw new IllegalStateException(
                        "the resource " + RESOURCE + " is missing from the jar; build it again");
            }
            return TrainTest.split("digits", read(in, RESOURCE), TEST_PARTS);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * Reads gzipped CSV.
     *
     * @param name what to call the file in messages
     * @throws DataFormatException if the data are not what the format says
     */
    static Dataset read(InputStream gzip, String name) throws IOException {
        byte[] text = unpack(gzip, name);
        List<byte[]> images = new ArrayList<>();
        List<Integer> labels = new ArrayList<>();
        BufferedReader lines =
                new BufferedReader(new InputStreamReader(new ByteArrayInputStream(text), StandardCharsets.US_ASCII));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            String where = name + ", line " + (images.size() + 1);
            String[] fields = line.split(",", -1);
            if (fields.length != WIDTH + 1) {
                throw new DataFormatException(where + ": " + fields.length + " values found, must be " + WIDTH
                        + " pixels and a label, separated by commas");
            }
            byte[] image = new byte[WIDTH];
            for (int j = 0; j < WIDTH; j++) {
                image[j] = (byte) number(fields[j], LARGEST_PIXEL, where + ", value " + (j + 1));
            }
            images.add(image);
            labels.add(number(fields[WIDTH], CLASSES - 1, where + ", label"));
        }
        if (images.isEmpty()) {
            throw new DataFormatException(name + ": no line found, must be a line an image");
        }
        byte[] pixels = new byte[images.size() * WIDTH];
        for (int i = 0; i < images.size(); i++) {
            System.arraycopy(images.get(i), 0, pixels, i * WIDTH, WIDTH);
        }
        return new Dataset(
                pixels, labels.stream().mapToInt(Integer::intValue).toArray(), WIDTH, CLASSES, LARGEST_PIXEL);
    }

    private static byte[] unpack(InputStream gzip, String name) throws IOException {
        try (GZIPInputStream in = new GZIPInputStream(gzip)) {
            byte[] text = in.readNBytes(LARGEST_FILE + 1);
            if (text.length > LARGEST_FILE) {
                throw new DataFormatException(name + ": unpacks to more than " + LARGEST_FILE + " bytes, must be less");
            }
            return text;
        } catch (EOFException e) {
            throw new DataFormatException(name + ": is truncated, its compressed data end early", e);
        } catch (ZipException e) {
            throw new DataFormatException(name + ": must be intact gzip data, is not: " + e.getMessage(), e);
        }
    }

    private static int number(String field, int largest, String where) throws DataFormatException {
        try {
            int number = Integer.parseInt(field);
            if (number >= 0 && number <= largest) {
                return number;
            }
        } catch (NumberFormatException e) {
            // Told below, with the range.
        }
        String shown = field.length() <= 20 ? field : field.substring(0, 20) + "…";
        throw new DataFormatException(where + ": \"" + shown + "\" found, must be a whole number from 0 to " + largest);
    }
}

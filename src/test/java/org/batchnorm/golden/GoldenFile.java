package org.batchnorm.golden;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** The results of a backend that are kept: for each case, operation and quantity a hash of the bits, and the error. */
final class GoldenFile {
    private static final String COLUMNS = "shape,operation,quantity,hash,error";

    private GoldenFile() {}

    /** What tells a row from all others. */
    record Key(String shape, GoldenResults.Key result) {
        @Override
        public String toString() {
            return shape + "," + result.operation() + "," + result.quantity();
        }
    }

    /** What is kept of a result. */
    record Value(String hash, String error) {
        static Value of(float[] actual, double[] expected) {
            return new Value(
                    hexadecimal(actual), String.format(Locale.ROOT, "%.3g", GoldenResults.error(actual, expected)));
        }
    }

    /** The hash as it is written. */
    static String hexadecimal(float[] values) {
        return String.format(Locale.ROOT, "%016x", GoldenResults.hash(values));
    }

    /** The kept rows of a backend. */
    static Map<Key, Value> read(String backend) {
        String name = backend + ".csv";
        try (InputStream file = GoldenFile.class.getResourceAsStream(name)) {
            if (file == null) {
                throw new IllegalStateException("the resource " + name + " is missing");
            }
            Map<Key, Value> rows = new LinkedHashMap<>();
            for (String line : new String(file.readAllBytes(), StandardCharsets.UTF_8)
                    .lines()
                    .toList()) {
                if (!line.startsWith("#") && !line.equals(COLUMNS)) {
                    String[] cells = line.split(",", -1);
                    Key key = new Key(cells[0], new GoldenResults.Key(cells[1], cells[2]));
                    rows.put(key, new Value(cells[3], cells[4]));
                }
            }
            return rows;
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Writes the rows of a backend, below a comment that says what made them. */
    static void write(Path directory, String backend, String comment, Map<Key, Value> rows) {
        List<String> lines = new ArrayList<>();
        lines.add("# " + comment);
        lines.add(COLUMNS);
        rows.forEach((key, value) -> lines.add(key + "," + value.hash() + "," + value.error()));
        try {
            Files.createDirectories(directory);
            Files.write(directory.resolve(backend + ".csv"), lines);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }
}

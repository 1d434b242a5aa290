package org.batchnorm.bench.jmh.results;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.batchnorm.state.ReplacedFile;

/** A file of measurements: JSON Lines, one {@link Measurement} each. */
public final class ResultsFile {

    private static final ObjectMapper JSON = JsonMapper.builder()
            .enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES)
            .enable(DeserializationFeature.FAIL_ON_NULL_FOR_PRIMITIVES)
            .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
            .build();

    private ResultsFile() {}

    /**
     * Reads all rows.
     *
     * @throws IllegalArgumentException if a line is no row; the message names the file, the line and what is wrong
     * @throws UncheckedIOException if the file cannot be read
     */
    public static List<Measurement> read(Path file) {
        List<String> lines;
        try {
            lines = Files.readAllLines(file);
        } catch (IOException e) {
            throw new UncheckedIOException("results file " + file + " cannot be read: " + e, e);
        }
        List<Measurement> rows = new ArrayList<>();
        for (int i = 0; i < lines.size(); i++) {
            if (!lines.get(i).isBlank()) {
                rows.add(parse(file + " line " + (i + 1), lines.get(i)));
            }
        }
        return rows;
    }

    /**
     * Adds rows to a file, which is created where there is none. A row that the file has already (the same point,
     * commit, JDK and machine) is replaced by the new one. The file is written anew and moved into its place, so that a
     * reader never sees half of it.
     *
     * @throws IllegalArgumentException if a line of the file is no row: it is left as it is
     * @throws UncheckedIOException if the file cannot be written
     */
    public static void append(Path file, Collection<Measurement> rows) {
        Map<Object, Measurement> all = new LinkedHashMap<>();
        if (Files.exists(file)) {
            read(file).forEach(row -> all.put(row.identity(), row));
        }
        for (Measurement row : rows) {
            all.remove(row.identity());
            all.put(row.identity(), row);
        }
        try {
            Path parent = file.toAbsolutePath().getParent();
            if (parent != null) {
                Files.createDirectories(parent);
            }
            ReplacedFile.write(file, out -> {
                for (Measurement row : all.values()) {
                    out.write(JSON.writeValueAsBytes(row));
                    out.write('\n');
                }
            });
        } catch (IOException e) {
            throw new UncheckedIOException("results file " + e.getMessage(), e);
        }
    }

    private static Measurement parse(String where, String line) {
        try {
            return JSON.readValue(line, Measurement.class);
        } catch (JsonProcessingException e) {
            Throwable root = e;
            while (root.getCause() != null) {
                root = root.getCause();
            }
            String problem =
                    root instanceof JsonProcessingException json ? json.getOriginalMessage() : root.getMessage();
            throw new IllegalArgumentException(where + " is no measurement: " + problem, e);
        }
    }
}

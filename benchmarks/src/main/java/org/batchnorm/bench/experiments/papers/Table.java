package org.batchnorm.bench.experiments.papers;

import java.io.IOException;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.batchnorm.bench.experiments.data.DataFormatException;
import org.batchnorm.state.ReplacedFile;

/**
 * The numbers of an experiment, a row each, and their CSV file: a comment that says what was run, the names of the
 * columns, then the rows in the order of the runs.
 */
final class Table {
    private static final String HEADER = "variant,seed,quantity,x,value";

    private final String origin;
    private final List<Row> rows;

    /**
     * An empty table.
     *
     * @param origin what was run, in one line: numbers of different origins do not go together
     */
    Table(String origin) {
        this(origin, List.of());
    }

    private Table(String origin, List<Row> rows) {
        this.origin = origin;
        this.rows = new ArrayList<>(rows);
    }

    /**
     * One number.
     *
     * @param x what it was taken at: a step, a learning rate; 0 if there is no such thing
     */
    record Row(String quantity, String variant, double x, long seed, double value) {

        /**
         * Checks the names.
         *
         * @throws IllegalArgumentException if one has a comma, which separates columns
         */
        Row {
            if (quantity.contains(",") || variant.contains(",")) {
                throw new IllegalArgumentException("quantity, variant: \"" + quantity + "\", \"" + variant
                        + "\" given, must be without commas, which separate columns");
            }
        }
    }

    /**
     * The table in a file; empty if there is none.
     *
     * @throws DataFormatException if the file is of another origin or no such table
     */
    static Table read(Path file, String origin) throws IOException {
        if (!Files.exists(file)) {
            return new Table(origin);
        }
        List<String> lines = Files.readAllLines(file, StandardCharsets.UTF_8);
        if (lines.size() < 2
                || !lines.get(0).equals("# " + origin)
                || !lines.get(1).equals(HEADER)) {
            throw new DataFormatException(file + ": holds \"" + (lines.isEmpty() ? "" : lines.get(0))
                    + "\", must be \"# " + origin + "\" to be continued; use another directory or remove the file");
        }
        List<Row> rows = new ArrayList<>();
        for (int i = 2; i < lines.size(); i++) {
            rows.add(row(lines.get(i), file + ", line " + (i + 1)));
        }
        return new Table(origin, rows);
    }

    private static Row row(String line, String where) throws DataFormatException {
        String[] fields = line.split(",", -1);
        try {
            if (fields.length == 5) {
                return new Row(
                        fields[2],
                        fields[0],
                        Double.parseDouble(fields[3]),
                        Long.parseLong(fields[1]),
                        Double.parseDouble(fields[4]));
            }
        } catch (NumberFormatException e) {
            throw new DataFormatException(where + ": \"" + line + "\" found, must be " + HEADER, e);
        }
        throw new DataFormatException(where + ": \"" + line + "\" found, must be " + HEADER);
    }

    /** Adds the rows of a run, their values as the file keeps them. */
    void add(List<Row> more) {
        more.forEach(row -> rows.add(new Row(row.quantity, row.variant, rounded(row.x), row.seed, rounded(row.value))));
    }

    /** Whether a run is in the table. */
    boolean has(String variant, long seed) {
        return rows.stream().anyMatch(row -> row.seed == seed && row.variant.equals(variant));
    }

    /** A quantity of a variant. */
    Series series(String quantity, String variant) {
        return new Series(rows.stream().filter(row -> row.quantity.equals(quantity) && row.variant.equals(variant)));
    }

    /** How many seeds there are numbers of. */
    int seeds() {
        return (int) rows.stream().mapToLong(Row::seed).distinct().count();
    }

    boolean isEmpty() {
        return rows.isEmpty();
    }

    void write(Path file) throws IOException {
        ReplacedFile.write(file, out -> {
            PrintWriter csv = new PrintWriter(out, false, StandardCharsets.UTF_8);
            csv.print("# " + origin + "\n" + HEADER + "\n");
            for (Row row : rows) {
                csv.print(row.variant + "," + row.seed + "," + row.quantity + "," + number(row.x) + ","
                        + number(row.value) + "\n");
            }
            csv.flush();
            if (csv.checkError()) {
                throw new IOException("the numbers could not be written");
            }
        });
    }

    /** A value as the file keeps it. */
    static double rounded(double value) {
        return Double.parseDouble(number(value));
    }

    /** A float's digits: more say nothing of quantities like these. */
    private static String number(double value) {
        return value == Math.rint(value) && Math.abs(value) < 1e9
                ? Long.toString((long) value)
                : Float.toString((float) value);
    }
}

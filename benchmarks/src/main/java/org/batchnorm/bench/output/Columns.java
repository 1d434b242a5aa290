package org.batchnorm.bench.output;

import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * A table as its columns. Every table of the project is made so: for pages in Markdown, for the screen plain, where a
 * line can be printed before the next one is known.
 *
 * @param all from left to right
 * @param <R> what a row is made from
 */
public record Columns<R>(List<Column<R>> all) {

    /** Copies the list. */
    public Columns {
        all = List.copyOf(all);
    }

    /** From left to right. */
    @SafeVarargs
    @SuppressWarnings("varargs") // List.of reads the array only
    public static <R> Columns<R> of(Column<R>... columns) {
        return new Columns<>(List.of(columns));
    }

    /** The table in Markdown: header, alignment, then a line for each row. */
    public List<String> markdown(Iterable<? extends R> rows) {
        List<String> lines = new ArrayList<>();
        lines.add(line(Column::header));
        lines.add(line(column -> column.numbers() ? "---:" : "---"));
        for (R row : rows) {
            lines.add(line(column -> column.cell().apply(row)));
        }
        return lines;
    }

    private String line(Function<Column<R>, String> cell) {
        return all.stream().map(cell).collect(Collectors.joining(" | ", "| ", " |"));
    }

    /** The headers of a plain table. */
    public String plainHeader() {
        return plain(Column::header);
    }

    /** A row of a plain table. */
    public String plain(R row) {
        return plain((Column<R> column) -> column.cell().apply(row));
    }

    private String plain(Function<Column<R>, String> cell) {
        return all.stream()
                .map(column -> column.padded(cell.apply(column)))
                .collect(Collectors.joining(" "))
                .stripTrailing();
    }
}

package org.batchnorm.bench.output;

import java.util.function.Function;

/**
 * One column of a table.
 *
 * @param header what stands above it
 * @param numbers whether its cells are aligned to the right
 * @param width of its cells in a plain table, at least; 0 in a table that is Markdown only
 * @param cell a row's cell
 * @param <R> what a row is made from
 */
public record Column<R>(String header, boolean numbers, int width, Function<? super R, String> cell) {

    /** A column of words. */
    public static <R> Column<R> words(String header, Function<? super R, String> cell) {
        return new Column<>(header, false, 0, cell);
    }

    /** A column of numbers. */
    public static <R> Column<R> numbers(String header, Function<? super R, String> cell) {
        return new Column<>(header, true, 0, cell);
    }

    /** The same, of that width in a plain table. */
    public Column<R> wide(int characters) {
        return new Column<>(header, numbers, characters, cell);
    }

    /** A text within the width, or longer. */
    String padded(String text) {
        String space = " ".repeat(Math.max(0, width - text.length()));
        return numbers ? space + text : text + space;
    }
}

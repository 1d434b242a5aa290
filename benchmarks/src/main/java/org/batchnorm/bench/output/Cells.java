package org.batchnorm.bench.output;

import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** What stands in the cells of tables. */
public final class Cells {

    /** Nothing to tell. */
    public static final String NONE = "–";

    private Cells() {}

    /** Formats with a point in numbers wherever this runs. */
    @SuppressWarnings("AnnotateFormatMethod") // Every cell is made in a test.
    public static String format(String pattern, Object... values) {
        return String.format(Locale.ROOT, pattern, values);
    }

    /** The same of a value that may be missing. */
    public static String formatted(String pattern, @Nullable Double value) {
        return value == null ? NONE : format(pattern, value);
    }

    /** Milliseconds, four digits or so. */
    public static String milliseconds(double value) {
        return format(value < 0.1 ? "%.5f" : value < 10 ? "%.3f" : "%.1f", value);
    }

    /** A share as whole per cents; {@link #NONE} where it is missing. */
    public static String percent(@Nullable Double share) {
        return share == null ? NONE : format("%.0f %%", 100 * share);
    }
}

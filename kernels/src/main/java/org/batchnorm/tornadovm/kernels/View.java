package org.batchnorm.tornadovm.kernels;

/**
 * How a batch of features × positions is seen as columns and rows, packed into one constant that a kernel is compiled
 * with:
 *
 * <pre>
 *   bit  63  62   61 .. 31     30 .. 0
 *        layout   positions    columns
 * </pre>
 *
 * <table>
 *   <caption>The layouts</caption>
 *   <tr><th>layout</th><th>data</th><th>columns</th><th>span</th><th>spatial</th><th>rows of a sample</th></tr>
 *   <tr><td>0, contiguous</td><td>(N, C), and channels-last (N, S, C)</td><td>C</td><td>1</td><td>1</td><td>S</td></tr>
 *   <tr><td>1, planes</td><td>channels-first (N, C, S), large S</td><td>C</td><td>1</td><td>S</td><td>S</td></tr>
 *   <tr><td>2, small planes</td><td>channels-first (N, C, S), small S</td><td>C · S</td><td>S</td><td>1</td>
 *     <td>1</td></tr>
 * </table>
 *
 * {@code positions} is S. {@code span} adjacent columns make one feature; {@code spatial} positions of a column are
 * contiguous, with 1 it is the columns that are.
 */
public final class View {
    private static final long CONTIGUOUS = 0;
    private static final long PLANES = 1;
    private static final long SMALL_PLANES = 2;

    private static final int POSITIONS_BIT = 31;
    private static final int LAYOUT_BIT = 62;

    private View() {}

    /**
     * Features that are neighbours in memory.
     *
     * @param features C
     * @param positions S
     * @throws IllegalArgumentException if one is less than 1
     */
    public static long contiguous(int features, int positions) {
        return pack(CONTIGUOUS, features, positions);
    }

    /**
     * Planes of a feature each, walked along their positions.
     *
     * @param features C
     * @param positions S
     * @throws IllegalArgumentException if one is less than 1
     */
    public static long planes(int features, int positions) {
        return pack(PLANES, features, positions);
    }

    /**
     * Planes whose positions are columns, since they are few.
     *
     * @param features C
     * @param positions S
     * @throws IllegalArgumentException if one is less than 1, or C·S is no {@code int}
     */
    public static long smallPlanes(int features, int positions) {
        return pack(SMALL_PLANES, (long) features * positions, positions);
    }

    private static long pack(long layout, long columns, int positions) {
        requireInt("columns", columns);
        requireInt("positions", positions);
        return layout << LAYOUT_BIT | (long) positions << POSITIONS_BIT | columns;
    }

    private static void requireInt(String name, long value) {
        if (value < 1 || value > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(name + ": " + value + " given, must be 1 to " + Integer.MAX_VALUE
                    + ", for which a view has " + POSITIONS_BIT + " bits");
        }
    }

    /** C, or C · S. */
    public static int columns(long view) {
        return (int) view & Integer.MAX_VALUE;
    }

    /** Rows that one sample has: S, or 1. */
    public static int rowsPerSample(long view) {
        return view >>> LAYOUT_BIT == SMALL_PLANES ? 1 : positions(view);
    }

    /** Contiguous positions of a column; 1 where columns are contiguous. */
    public static int spatial(long view) {
        return view >>> LAYOUT_BIT == PLANES ? positions(view) : 1;
    }

    /** Adjacent columns that make one feature. */
    public static int span(long view) {
        return view >>> LAYOUT_BIT == SMALL_PLANES ? positions(view) : 1;
    }

    /** C. */
    public static int features(long view) {
        return columns(view) / span(view);
    }

    private static int positions(long view) {
        return (int) (view >>> POSITIONS_BIT) & Integer.MAX_VALUE;
    }
}

package org.batchnorm.tornadovm.kernels;

/**
 * The work-items of a work-group and what they share, packed into one constant that a kernel is compiled with:
 *
 * <pre>
 *   bit  62 .. 32          31 .. 16   15 .. 0
 *        groups or keep    rows       columns
 * </pre>
 *
 * A work-group is columns × rows work-items that walk down the rows of a batch. {@code groups} of them share these, or
 * one has them all and each of its work-items keeps the values of {@code keep} rows on chip.
 */
public final class Tile {
    private static final int ROWS_BIT = 16;
    private static final int DEPTH_BIT = 32;
    private static final int MOST_ITEMS = (1 << ROWS_BIT) - 1;

    private Tile() {}

    /**
     * A tile of the kernels that share a batch's rows among work-groups.
     *
     * @param columns at least 1 and at most 65535, as rows
     * @param groups at least 1
     * @throws IllegalArgumentException if one is less or more
     */
    public static long sharedBy(int groups, int columns, int rows) {
        return pack("groups", groups, columns, rows);
    }

    /**
     * A tile of the kernels whose work-groups keep whole features on chip.
     *
     * @param columns at least 1 and at most 65535, as rows
     * @param keep at least 1
     * @throws IllegalArgumentException if one is less or more
     */
    public static long keeping(int keep, int columns, int rows) {
        return pack("keep", keep, columns, rows);
    }

    private static long pack(String depthName, int depth, int columns, int rows) {
        require("tileColumns", columns, MOST_ITEMS);
        require("tileRows", rows, MOST_ITEMS);
        require(depthName, depth, Integer.MAX_VALUE);
        return (long) depth << DEPTH_BIT | (long) rows << ROWS_BIT | columns;
    }

    private static void require(String name, int value, int most) {
        if (value < 1 || value > most) {
            throw new IllegalArgumentException(name + ": " + value + " given, must be 1 to " + most
                    + ", for which a tile has " + Integer.bitCount(most) + " bits");
        }
    }

    /** Columns of a work-group; whole features. */
    public static int columns(long tile) {
        return (int) tile & MOST_ITEMS;
    }

    /** Rows that a work-group stands on at once. */
    public static int rows(long tile) {
        return (int) tile >>> ROWS_BIT;
    }

    /** Work-items of a work-group. */
    public static int items(long tile) {
        return columns(tile) * rows(tile);
    }

    /** Work-groups that share the rows. */
    public static int groups(long tile) {
        return (int) (tile >>> DEPTH_BIT);
    }

    /** Rows, and so values of each tensor, of a work-item that keeps them on chip. */
    public static int keep(long tile) {
        return (int) (tile >>> DEPTH_BIT);
    }
}

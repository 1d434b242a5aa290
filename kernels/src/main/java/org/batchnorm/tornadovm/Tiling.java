package org.batchnorm.tornadovm;

import java.util.OptionalLong;
import org.batchnorm.data.BatchShape;
import org.batchnorm.tornadovm.kernels.Tile;
import org.batchnorm.tornadovm.kernels.Tiles;
import org.batchnorm.tornadovm.kernels.View;
import uk.ac.manchester.tornado.api.WorkerGrid;

/**
 * How a batch is laid over a device: what the kernels of {@link org.batchnorm.tornadovm.kernels} are compiled with.
 *
 * @param view of the batch, as {@link View} packs it
 * @param tile of the kernels that walk over the batch, as {@link Tile} packs it
 */
record Tiling(long view, long tile) {

    /**
     * Addresses are {@code int}s, and the last work-groups may count this far beyond the last row before they see that
     * none is left.
     */
    static final long MAX_ELEMENTS = Integer.MAX_VALUE - (1L << 24);

    /** From so many contiguous positions on (64 bytes), channels-first data are read along them. */
    private static final int LARGE_SPATIAL = 16;

    private static final int WARP = 32;

    /** Neighbouring values that memory hands out at once, 32 bytes. */
    private static final int SECTOR = 8;

    /**
     * Bytes of local memory that are left free: from compute capability 8.0 on CUDA takes so many of a work-group's.
     */
    private static final int RESERVED = 1 << 10;

    private static final int WORK_GROUP = 256;
    private static final int LARGEST_WORK_GROUP = 512;

    /** Two full waves of a GPU's 2048 resident work-items; a CPU runs one work-group a core. */
    private static final int GROUPS_PER_GPU_UNIT = 16;

    private static final int GROUPS_PER_CPU_UNIT = 4;

    /** Rows of a work-item: as many as make its per-feature work small, fewer where the device would be idle. */
    private static final int MANY_ROWS = 4 * Tiles.LOADS;

    static Tiling of(BatchShape shape, DeviceLimits device) {
        checkAddressable(shape);
        long view = view(shape);
        long rows = Math.max(1, shape.n() * View.rowsPerSample(view));
        int tileColumns = tileColumns(view, Math.min(WORK_GROUP, device.maxWorkGroup()));
        int tileRows = tileRows(rows, tileColumns, device.maxWorkGroup());
        int tiles = ceilDiv(View.columns(view), tileColumns);
        int groups = groups(rows, (long) tiles * tileColumns, tileRows, device);
        return new Tiling(view, Tile.sharedBy(groups, tileColumns, tileRows));
    }

    private static long view(BatchShape shape) {
        int s = Math.toIntExact(shape.spatial());
        if (shape.featuresContiguous()) {
            return View.contiguous(shape.c(), s);
        }
        return s >= LARGE_SPATIAL ? View.planes(shape.c(), s) : View.smallPlanes(shape.c(), s);
    }

    /** The grid of the kernels that walk over the batch. */
    WorkerGrid grid() {
        return grid(tiles(tile), Tile.groups(tile), Tile.items(tile));
    }

    /**
     * The tile of the kernels that merge partial results: fewer features for few features, so that their many partial
     * results are read by many work-groups, and work-items that share a feature's partial results.
     */
    long mergeTile(DeviceLimits device) {
        int columns = Math.min(
                Math.clamp(Integer.highestOneBit(Math.max(1, features() / device.computeUnits())), 1, WARP),
                device.maxWorkGroup());
        int most = Math.min(WORK_GROUP, device.maxWorkGroup()) / columns;
        return Tile.sharedBy(1, columns, Math.clamp(Integer.highestOneBit(Tile.groups(tile)), 1, most));
    }

    /** The grid of the kernels that merge partial results. */
    WorkerGrid mergeGrid(DeviceLimits device) {
        long merge = mergeTile(device);
        return grid(ceilDiv(features(), Tile.columns(merge)), 1, Tile.items(merge));
    }

    /** The grid of the kernels that have one work-item per feature. */
    WorkerGrid featureGrid(DeviceLimits device) {
        int local = Math.min(2 * WARP, device.maxWorkGroup());
        return grid(ceilDiv(features(), local), 1, local);
    }

    /**
     * The tile for one kernel that reads each of its tensors once, if that fits: its work-groups keep whole features on
     * chip. It then always pays: what is too small to fill the device this way takes less time than the start of
     * another kernel.
     *
     * @param shape the shape of the largest batch
     * @param tensors tensors of which a work-group keeps its part
     */
    OptionalLong onChip(BatchShape shape, int tensors, DeviceLimits device) {
        long rows = shape.n() * View.rowsPerSample(view);
        boolean planes = View.spatial(view) > 1;
        int span = View.span(view);
        for (int target = WARP; target >= (planes ? WARP : SECTOR); target /= 2) {
            int width = planes ? 1 : Math.max(span, Math.min(View.columns(view), target) / span * span);
            int most = Math.min(LARGEST_WORK_GROUP, device.maxWorkGroup()) / width;
            long busy = Math.ceilDiv(rows, 2L * Tiles.LOADS);
            int tileRows = Math.clamp(Math.max(busy, WORK_GROUP / 4 / width), 1, Math.max(1, most));
            long keep = Math.ceilDiv(rows, (long) tileRows);
            long bytes = width * (tileRows * (4L * tensors * (keep + 1) + 16) + 8L * (tensors + 1));
            if (most >= 1 && bytes <= device.localMemory() - RESERVED) {
                return OptionalLong.of(Tile.keeping((int) keep, width, tileRows));
            }
        }
        return OptionalLong.empty();
    }

    /** The grid of the kernels that keep whole features on chip, with a tile of {@link #onChip}. */
    WorkerGrid onChipGrid(long chip) {
        return grid(tiles(chip), 1, Tile.items(chip));
    }

    /** Values of each of the arrays of partial results. */
    int partials() {
        return Math.multiplyExact(Tile.groups(tile), features());
    }

    private int features() {
        return View.features(view);
    }

    private int tiles(long ofTile) {
        return ceilDiv(View.columns(view), Tile.columns(ofTile));
    }

    private static WorkerGrid grid(int tiles, int groups, int local) {
        long global = (long) tiles * local;
        if (global > Integer.MAX_VALUE) {
            throw new IllegalArgumentException(
                    "shape: a grid of " + global + " work-items is more than TornadoVM can start; give fewer features");
        }
        return new KernelGrid((int) global, groups, local);
    }

    private static void checkAddressable(BatchShape shape) {
        if (4L * shape.c() > MAX_ELEMENTS) {
            throw new IllegalArgumentException("shape: " + shape + " has " + shape.c() + " features, must be at most "
                    + MAX_ELEMENTS / 4 + ", because TornadoVM's arrays are indexed by int");
        }
        if (shape.elements() > MAX_ELEMENTS) {
            throw new IllegalArgumentException(
                    "shape: " + shape + " has " + shape.elements() + " values, must be at most " + MAX_ELEMENTS
                            + ", because TornadoVM's arrays are indexed by int; give a smaller batch");
        }
    }

    /** One column along planes; else all columns, or an even share of them, rounded up to whole warps and features. */
    private static int tileColumns(long view, int most) {
        int columns = View.columns(view);
        int span = View.span(view);
        if (View.spatial(view) > 1) {
            return 1;
        }
        if (columns <= most) {
            return columns;
        }
        int share = ceilDiv(columns, ceilDiv(columns, most));
        int step = span == 1 ? Math.min(WARP, most) : span;
        return Math.min(ceilDiv(share, step) * step, most / step * step);
    }

    /**
     * Rows for which the work-group is large enough, leaves few lanes of its last warp idle, and gives every work-item
     * something to do.
     */
    private static int tileRows(long rows, int tileColumns, int maxWorkGroup) {
        int largest = Math.min(LARGEST_WORK_GROUP, maxWorkGroup);
        int useful = Math.clamp(rows / Tiles.LOADS, 1, largest);
        int most = Math.clamp(
                largest / tileColumns, 1, Math.max(useful, Math.min(WARP, largest) / Math.min(tileColumns, WARP)));
        int best = 1;
        double bestUse = 0;
        for (int candidate = 1; candidate <= most; candidate++) {
            int items = candidate * tileColumns;
            double use = (double) items / (ceilDiv(items, WARP) * WARP) * Math.min(1, items / (0.75 * WORK_GROUP));
            if (use > bestUse + 0.02) {
                best = candidate;
                bestUse = use;
            }
        }
        return best;
    }

    private static int groups(long rows, long columns, int tileRows, DeviceLimits device) {
        long perUnit = device.cpu() ? GROUPS_PER_CPU_UNIT : GROUPS_PER_GPU_UNIT;
        long wanted = Math.ceilDiv(perUnit * device.computeUnits() * WORK_GROUP, columns * tileRows);
        long rowsOfWorkItem = Math.ceilDiv(rows, (long) tileRows);
        long groups = Math.max(
                Math.min(wanted, rowsOfWorkItem / MANY_ROWS),
                Math.min(Math.ceilDiv(wanted, 4L), Math.ceilDiv(rowsOfWorkItem, (long) Tiles.LOADS)));
        return Math.clamp(groups, 1, Short.MAX_VALUE);
    }

    private static int ceilDiv(int a, int b) {
        return Math.ceilDiv(a, b);
    }
}

package org.batchnorm.tornadovm;

import java.util.Optional;
import org.batchnorm.data.BatchShape;
import org.batchnorm.tornadovm.kernels.Tiles;
import uk.ac.manchester.tornado.api.WorkerGrid;

/**
 * How a batch is laid over a device: the scalars that the kernels of {@link org.batchnorm.tornadovm.kernels} are
 * compiled with.
 *
 * @param features C
 * @param rowsPerSample rows that one sample has
 * @param columns columns of the batch as the kernels see it
 * @param spatial contiguous positions of a column; 1 where columns are contiguous
 * @param span adjacent columns that make one feature
 * @param tileColumns columns of a work-group
 * @param tileRows rows that a work-group stands on at once
 * @param groups work-groups that share the rows
 */
record Tiling(
        int features,
        int rowsPerSample,
        int columns,
        int spatial,
        int span,
        int tileColumns,
        int tileRows,
        int groups) {

    /**
     * Addresses are {@code int}s, and the last work-groups may count this far beyond the last row before they see that
     * none is left.
     */
    static final long MAX_ELEMENTS = Integer.MAX_VALUE - (1L << 24);

    /** From so many contiguous positions on (64 bytes), channels-first data are read along them. */
    private static final int LARGE_SPATIAL = 16;

    private static final int WARP = 32;
    private static final int WORK_GROUP = 256;
    private static final int LARGEST_WORK_GROUP = 512;

    /** Two full waves of a GPU's 2048 resident work-items; a CPU runs one work-group a core. */
    private static final int GROUPS_PER_GPU_UNIT = 16;

    private static final int GROUPS_PER_CPU_UNIT = 4;

    /** Rows of a work-item: as many as make its per-feature work small, fewer where the device would be idle. */
    private static final int MANY_ROWS = 4 * Tiles.LOADS;

    static Tiling of(BatchShape shape, DeviceLimits device) {
        checkAddressable(shape);
        int c = shape.c();
        int s = Math.toIntExact(shape.spatial());
        int rowsPerSample = s;
        int columns = c;
        int spatial = 1;
        int span = 1;
        if (!shape.featuresContiguous()) {
            if (s >= LARGE_SPATIAL) {
                spatial = s;
            } else {
                rowsPerSample = 1;
                columns = c * s;
                span = s;
            }
        }
        long rows = Math.max(1, shape.n() * rowsPerSample);
        int tileColumns = spatial > 1 ? 1 : tileColumns(columns, span, Math.min(WORK_GROUP, device.maxWorkGroup()));
        int tileRows = tileRows(rows, tileColumns, device.maxWorkGroup());
        int tiles = ceilDiv(columns, tileColumns);
        int groups = groups(rows, tiles, tileColumns, tileRows, device);
        return new Tiling(c, rowsPerSample, columns, spatial, span, tileColumns, tileRows, groups);
    }

    /** The grid of the kernels that walk over the batch. */
    WorkerGrid grid() {
        return grid(ceilDiv(columns, tileColumns), groups, tileColumns * tileRows);
    }

    /**
     * Features of a work-group that merges partial results: fewer for few features, so that their many partial results
     * are read by many work-groups.
     */
    int mergeColumns(DeviceLimits device) {
        return Math.min(
                Math.clamp(Integer.highestOneBit(Math.max(1, features / device.computeUnits())), 1, WARP),
                device.maxWorkGroup());
    }

    /** Work-items that share a feature's partial results. */
    int mergeRows(DeviceLimits device) {
        int most = Math.min(WORK_GROUP, device.maxWorkGroup()) / mergeColumns(device);
        return Math.clamp(Integer.highestOneBit(Math.max(1, groups)), 1, most);
    }

    /** The grid of the kernels that merge partial results. */
    WorkerGrid mergeGrid(DeviceLimits device) {
        return grid(ceilDiv(features, mergeColumns(device)), 1, mergeColumns(device) * mergeRows(device));
    }

    /** The grid of the kernels that have one work-item per feature. */
    WorkerGrid featureGrid(DeviceLimits device) {
        int local = Math.min(2 * WARP, device.maxWorkGroup());
        return grid(ceilDiv(features, local), 1, local);
    }

    /**
     * How the same batch is laid out when each work-group keeps whole features on chip.
     *
     * @param tileColumns columns of a work-group
     * @param tileRows rows that a work-group stands on at once
     * @param keep rows, and so values of each tensor, of a work-item
     */
    record OnChip(int tileColumns, int tileRows, int keep) {}

    /**
     * The layout for one kernel that reads each of its tensors once, if that fits. It then always pays: what is too
     * small to fill the device this way takes less time than the start of another kernel.
     *
     * @param shape the shape of the largest batch
     * @param tensors tensors of which a work-group keeps its part
     */
    Optional<OnChip> onChip(BatchShape shape, int tensors, DeviceLimits device) {
        long rows = shape.n() * rowsPerSample;
        for (int target = WARP; target >= (spatial > 1 ? WARP : WARP / 2); target /= 2) {
            int width = spatial > 1 ? 1 : Math.max(span, Math.min(columns, target) / span * span);
            int most = Math.min(LARGEST_WORK_GROUP, device.maxWorkGroup()) / width;
            long busy = Math.ceilDiv(rows, 2L * Tiles.LOADS);
            int tileRows = Math.clamp(Math.max(busy, WORK_GROUP / 4 / width), 1, Math.max(1, most));
            long keep = Math.ceilDiv(rows, (long) tileRows);
            long bytes = width * (tileRows * (4L * tensors * (keep + 1) + 16) + 8L * (tensors + 1));
            if (most >= 1 && bytes <= device.localMemory()) {
                return Optional.of(new OnChip(width, tileRows, (int) keep));
            }
        }
        return Optional.empty();
    }

    /** The grid of the kernels that keep whole features on chip. */
    WorkerGrid grid(OnChip chip) {
        return grid(ceilDiv(columns, chip.tileColumns()), 1, chip.tileColumns() * chip.tileRows());
    }

    /** Values of each of the two arrays of partial results. */
    int partials() {
        return Math.multiplyExact(groups, features);
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

    /** All columns, or an even share of them, rounded up to whole warps and whole features. */
    private static int tileColumns(int columns, int span, int most) {
        if (columns <= most) {
            return columns;
        }
        int tiles = ceilDiv(columns, most);
        int share = ceilDiv(columns, tiles);
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

    private static int groups(long rows, int tiles, int tileColumns, int tileRows, DeviceLimits device) {
        long perUnit = device.cpu() ? GROUPS_PER_CPU_UNIT : GROUPS_PER_GPU_UNIT;
        long wanted = Math.ceilDiv(perUnit * device.computeUnits() * WORK_GROUP, (long) tiles * tileColumns * tileRows);
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

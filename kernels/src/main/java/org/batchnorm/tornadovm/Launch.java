package org.batchnorm.tornadovm;

import java.util.List;
import java.util.OptionalLong;
import org.batchnorm.data.BatchShape;
import org.batchnorm.tornadovm.kernels.Tile;
import uk.ac.manchester.tornado.api.WorkerGrid;

/**
 * A kernel that a piece of {@link BatchNormTasks} starts, and its grid, told without a device: for whoever reckons what
 * it must take. All are of a layer of FLOAT32 without activations and residuals, whose backward is given x.
 *
 * @param kernel its name, as in the tasks
 * @param groups work-groups
 * @param workGroup work-items of each
 * @param localBytes local memory of each work-group, which is what bounds how many stand on a multiprocessor
 * @param partials values of each array of partial results between the two stages; 0 on chip
 */
public record Launch(String kernel, long groups, int workGroup, int localBytes, long partials) {

    /** The kernels of {@link Pieces#forward}, first to last. */
    public static List<Launch> forward(BatchShape maxShape, DeviceLimits device) {
        Tiling tiling = Tiling.of(maxShape, device);
        OptionalLong chip = tiling.onChip(maxShape, 1, device);
        if (chip.isPresent()) {
            return List.of(onChip("forwardOnChip", tiling, chip.getAsLong(), 1));
        }
        return List.of(
                walking("collectStatistics", tiling, 20),
                merging("mergeStatistics", tiling, device, 16),
                walking("transform", tiling, 0));
    }

    /** The kernel of {@link Pieces#inference}. */
    public static List<Launch> inference(BatchShape maxShape, DeviceLimits device) {
        return List.of(walking("inference", Tiling.of(maxShape, device), 0));
    }

    /** The kernels of {@link Pieces#backward}, first to last. */
    public static List<Launch> backward(BatchShape maxShape, DeviceLimits device) {
        Tiling tiling = Tiling.of(maxShape, device);
        OptionalLong chip = tiling.onChip(maxShape, 2, device);
        if (chip.isPresent()) {
            return List.of(onChip("backwardOnChip", tiling, chip.getAsLong(), 2));
        }
        return List.of(
                walking("reduceGradients", tiling, 24),
                merging("mergeGradients", tiling, device, 24),
                walking("inputGradient", tiling, 0));
    }

    /** A kernel that walks over the batch; each work-item has so many bytes of local memory. */
    private static Launch walking(String kernel, Tiling tiling, int itemBytes) {
        return of(kernel, tiling.grid(), itemBytes, tiling.partials());
    }

    private static Launch merging(String kernel, Tiling tiling, DeviceLimits device, int itemBytes) {
        return of(kernel, tiling.mergeGrid(device), itemBytes, tiling.partials());
    }

    private static Launch onChip(String kernel, Tiling tiling, long chip, int tensors) {
        Launch items = of(
                kernel, tiling.onChipGrid(chip), Float.BYTES * tensors * (Tile.keep(chip) + 1) + 2 * Double.BYTES, 0);
        int columnBytes = 2 * Float.BYTES * (tensors + 1);
        return new Launch(
                kernel, items.groups(), items.workGroup(), items.localBytes() + columnBytes * Tile.columns(chip), 0);
    }

    private static Launch of(String kernel, WorkerGrid grid, int itemBytes, long partials) {
        int local = Math.toIntExact(grid.getLocalWork()[0]);
        long items = grid.getGlobalWork()[0] * grid.getGlobalWork()[1];
        return new Launch(kernel, items / local, local, itemBytes * local, partials);
    }
}

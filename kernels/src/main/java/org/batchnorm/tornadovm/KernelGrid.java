package org.batchnorm.tornadovm;

import uk.ac.manchester.tornado.api.WorkerGrid2D;

/**
 * The grid of a kernel, which the kernel is compiled with and which therefore stays as it is. A work-group of another
 * size would compute something else, and not every driver objects: OpenCL's refuse a grid that its work-groups do not
 * divide, TornadoVM's CUDA library rounds it up, so that some columns are computed twice.
 */
final class KernelGrid extends WorkerGrid2D {
    private final int local;

    /**
     * A grid of global × groups work-items in work-groups of local × 1.
     *
     * @param global work-items along the first axis, a multiple of local
     */
    KernelGrid(int global, int groups, int local) {
        super(global, groups);
        if (local < 1 || global % local != 0) {
            throw new IllegalArgumentException("local: work-groups of " + local
                    + " given, which do not divide a grid of " + global + " work-items");
        }
        this.local = local;
        super.setLocalWork(local, 1, 1);
    }

    /** Refuses any size. */
    @Override
    public void setLocalWork(long x, long y, long z) {
        throw refusal("local work", x, y, z, local, 1, 1);
    }

    /** Refuses any size. */
    @Override
    public void setGlobalWork(long x, long y, long z) {
        throw refusal("global work", x, y, z, globalWork[0], globalWork[1], globalWork[2]);
    }

    /** Refuses any offset. */
    @Override
    public void setGlobalOffset(long x, long y, long z) {
        throw refusal("global offset", x, y, z, 0, 0, 0);
    }

    /** TornadoVM asks for this where a device has no work-groups of this size, and would let the driver choose. */
    @Override
    public void setLocalWorkToNull() {
        throw new UnsupportedOperationException("local work: the device has no work-groups of " + local
                + " work-items, for which this kernel of batch norm is compiled; create the BatchNormTasks for the"
                + " device that runs it");
    }

    private static UnsupportedOperationException refusal(String what, long... sizes) {
        return new UnsupportedOperationException(what + ": " + sizes[0] + " x " + sizes[1] + " x " + sizes[2]
                + " given, must stay " + sizes[3] + " x " + sizes[4] + " x " + sizes[5]
                + ", for which this kernel of batch norm is compiled; for other grids give BatchNormTasks other"
                + " DeviceLimits");
    }
}

package org.batchnorm.tornadovm;

import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.enums.TornadoDeviceType;

/**
 * What of a device decides the grids.
 *
 * @param computeUnits multiprocessors of a GPU, cores of a CPU
 * @param maxWorkGroup the most work-items of a work-group
 * @param localMemory bytes of local memory that one work-group may have
 * @param cpu whether the device is a CPU, where a work-group is a loop on one core
 */
public record DeviceLimits(int computeUnits, int maxWorkGroup, int localMemory, boolean cpu) {

    /** What CUDA and PTX allow a kernel to declare, whatever more the device has. */
    private static final int MAX_DECLARED_LOCAL_MEMORY = 48 << 10;

    /**
     * Checks the values.
     *
     * @throws IllegalArgumentException if one is out of range
     */
    public DeviceLimits {
        if (computeUnits < 1 || maxWorkGroup < 1 || localMemory < 0) {
            throw new IllegalArgumentException(
                    "device limits: " + computeUnits + " compute units, work-groups of " + maxWorkGroup + " and "
                            + localMemory + " bytes of local memory given, must be at least 1, 1 and 0");
        }
    }

    /**
     * The limits of a device as its driver tells them.
     *
     * @throws IllegalArgumentException if it has no float64, in which the kernels add up
     */
    public static DeviceLimits of(TornadoDevice device) {
        if (!device.getDeviceContext().isFP64Supported()) {
            throw new IllegalArgumentException("device: "
                    + device.getPhysicalDevice().getDeviceName().strip()
                    + " given, which has no float64 (OpenCL's cl_khr_fp64); batch norm"
                    + " accumulates in it: give another device");
        }
        return new DeviceLimits(
                Math.max(1, device.getPhysicalDevice().getDeviceMaxComputeUnits()),
                // Not getDeviceMaxWorkGroupSize(): the PTX backend answers that with the largest grid.
                Math.max(1, device.getPhysicalDevice().getMaxThreadsPerBlock()),
                Math.toIntExact(Math.clamp(
                        device.getPhysicalDevice().getDeviceLocalMemorySize(), 0, MAX_DECLARED_LOCAL_MEMORY)),
                device.getDeviceType() == TornadoDeviceType.CPU);
    }
}

package org.batchnorm.tornadovm;

import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.enums.TornadoDeviceType;
import uk.ac.manchester.tornado.api.enums.TornadoVMBackendType;

/**
 * What of a device decides the grids, in what sums of gradients are taken, and of which types batches may be.
 *
 * @param computeUnits multiprocessors of a GPU, cores of a CPU
 * @param maxWorkGroup the most work-items of a work-group
 * @param localMemory bytes of local memory that one work-group may have
 * @param cpu whether the device is a CPU, where a work-group is a loop on one core
 * @param fastFloat64 whether float64 has at least half of float32's rate, as that of GPUs for computing has; sums of
 *     gradients are float64 then, and pairs of float32 where it has not
 * @param takes16Bit whether batches may be float16 and bfloat16 as well, as on TornadoVM's backend CUDA
 */
public record DeviceLimits(
        int computeUnits, int maxWorkGroup, int localMemory, boolean cpu, boolean fastFloat64, boolean takes16Bit) {

    /**
     * System property: {@code fast} or {@code slow}, what float64 is to be taken for on every device. Without it a
     * CPU's is fast, and a GPU's where its driver's name for it is that of a model known for it.
     */
    public static final String FLOAT64_PROPERTY = "org.batchnorm.tornadovm.float64";

    /** Why a device that does not {@link #takes16Bit} takes no batches of 16-bit types, and what would do. */
    static final String WHY_NOT_16_BIT = "of TornadoVM 5.2's backends only CUDA compiles kernels that read and store"
            + " 16-bit types; convert them to float32, or take TornadoVM's CUDA SDK and DeviceLimits.of(device)";

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

    /** Those of a device whose float64 is fast if it is a CPU. */
    public DeviceLimits(int computeUnits, int maxWorkGroup, int localMemory, boolean cpu) {
        this(computeUnits, maxWorkGroup, localMemory, cpu, cpu);
    }

    /** Those of a device that takes no 16-bit types. */
    public DeviceLimits(int computeUnits, int maxWorkGroup, int localMemory, boolean cpu, boolean fastFloat64) {
        this(computeUnits, maxWorkGroup, localMemory, cpu, fastFloat64, false);
    }

    /**
     * The limits of a device as its driver tells them, and the rate of float64 by its name or
     * {@link #FLOAT64_PROPERTY}.
     *
     * @throws IllegalArgumentException if it has no float64, in which the kernels add up, or the property has another
     *     value
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
                isCpu(device),
                hasFastFloat64(device),
                compiles16Bit(device));
    }

    private static boolean isCpu(TornadoDevice device) {
        return device.getDeviceType() == TornadoDeviceType.CPU;
    }

    /**
     * Whether kernels for a device may have float16 and bfloat16. TornadoVM 5.2 compiles no store of a float16 on
     * OpenCL and no conversion of a bfloat16, but in many steps and with another rounding, on OpenCL and PTX.
     */
    public static boolean compiles16Bit(TornadoDevice device) {
        return device.getTornadoVMBackend() == TornadoVMBackendType.CUDA;
    }

    /**
     * Whether a device's float64 is taken for fast.
     *
     * @throws IllegalArgumentException if {@link #FLOAT64_PROPERTY} has another value
     */
    public static boolean hasFastFloat64(TornadoDevice device) {
        return Float64Rate.isFast(
                System.getProperty(FLOAT64_PROPERTY), device.getPhysicalDevice().getDeviceName(), isCpu(device));
    }

    /**
     * Whether a GPU's float64 is taken for fast, by its driver's name for it or {@link #FLOAT64_PROPERTY}.
     *
     * @throws IllegalArgumentException if the property has another value
     */
    public static boolean hasFastFloat64(String gpuName) {
        return Float64Rate.isFast(System.getProperty(FLOAT64_PROPERTY), gpuName, false);
    }

    /** The same without local memory: every operation takes its two-stage kernels then. */
    public DeviceLimits withoutLocalMemory() {
        return new DeviceLimits(computeUnits, maxWorkGroup, 0, cpu, fastFloat64, takes16Bit);
    }

    /** The same with float64 taken for fast or slow. */
    public DeviceLimits withFastFloat64(boolean fast) {
        return new DeviceLimits(computeUnits, maxWorkGroup, localMemory, cpu, fast, takes16Bit);
    }

    /** The same with 16-bit types taken or refused. */
    public DeviceLimits with16Bit(boolean taken) {
        return new DeviceLimits(computeUnits, maxWorkGroup, localMemory, cpu, fastFloat64, taken);
    }
}

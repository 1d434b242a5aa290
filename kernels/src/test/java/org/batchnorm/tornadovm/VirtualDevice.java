package org.batchnorm.tornadovm;

import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A device that TornadoVM's OpenCL or CUDA backend only pretends to have: it generates code for it and runs nothing.
 */
public final class VirtualDevice {
    private VirtualDevice() {}

    /**
     * What to start a JVM with that has code generated and shown: for this device, or with an SDK for PTX, which has no
     * virtual devices, for the one that is here.
     *
     * @param folder for its description
     */
    static List<String> codeOptions(Path folder) throws IOException {
        List<String> options = new ArrayList<>(
                ChildJvm.sdkHas("ptx") ? List.of(ChildJvm.ARGFILE, ChildJvm.NO_BAILOUT) : options(folder, true));
        options.add("-Dtornado.printKernel=True");
        return options;
    }

    /**
     * What to start a JVM with that has this device and no other.
     *
     * @param folder for its description
     * @param float64 whether it has float64
     */
    public static List<String> options(Path folder, boolean float64) throws IOException {
        assumeThat(ChildJvm.sdkHas("opencl") || ChildJvm.sdkHas("cuda"))
                .as("an SDK whose backend has virtual devices")
                .isTrue();
        Path description = folder.resolve("device.json");
        Files.writeString(
                description, """
                {
                  "deviceName" : "virtual",
                  "doubleFPSupport" : %b,
                  "maxWorkItemSizes" : [1024, 1024, 64],
                  "deviceAddressBits" : 64,
                  "deviceType" : "CL_DEVICE_TYPE_GPU",
                  "deviceExtensions" : "%s",
                  "availableProcessors" : 132
                }
                """.formatted(float64, float64 ? "cl_khr_fp64" : "cl_khr_byte_addressable_store"));
        return List.of(
                ChildJvm.ARGFILE,
                ChildJvm.NO_BAILOUT,
                "-Dtornado.virtual.device=True",
                "-Dtornado.device.desc=" + description);
    }
}

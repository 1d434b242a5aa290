package org.batchnorm.tornadovm.backend;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.batchnorm.tornadovm.ChildJvm;
import org.batchnorm.tornadovm.VirtualDevice;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import uk.ac.manchester.tornado.api.exceptions.TornadoBailoutRuntimeException;

/** The faults that need a JVM of their own. Each ends in an answer that says what to do. */
class FaultsTest {
    private static final Map<String, String> AS_HERE = Map.of();

    @Test
    void withoutTheArgfile() throws Exception {
        String output = ChildJvm.run(AS_HERE, List.of(), ProbeMain.class);
        assertThat(output)
                .contains("usable: false")
                .contains("started without TornadoVM's modules; start Java as scripts/batchnorm does")
                .contains("devices: 0")
                .contains("refused: backend tornadovm cannot be used");
    }

    @Test
    void withoutAnSdk() throws Exception {
        String output = ChildJvm.run(Map.of("TORNADOVM_HOME", ""), List.of(), ProbeMain.class);
        assertThat(output).contains("usable: false").contains("TORNADOVM_HOME is not set; install");
    }

    @Test
    void withoutADriver(@TempDir Path folder) throws Exception {
        String output = ChildJvm.run(
                ChildJvm.withoutDrivers(folder), List.of(ChildJvm.ARGFILE, ChildJvm.NO_BAILOUT), ProbeMain.class);
        assertThat(output)
                .contains("usable: false")
                .contains("devices: 0")
                .contains("refused: backend tornadovm cannot be used");
        if (ChildJvm.sdkHas("opencl")) {
            assertThat(output).contains("No OpenCL platforms found").contains("install the OpenCL driver");
        } else {
            assertThat(output)
                    .containsPattern("answer: .*libcuda.so.1: file too short")
                    .contains("install NVIDIA's driver");
        }
    }

    @Test
    void aDriverWithoutADevice() throws Exception {
        Path pocl = Path.of("/etc/OpenCL/vendors/pocl.icd");
        boolean openCl = ChildJvm.sdkHas("opencl");
        assumeThat(!openCl || Files.exists(pocl)).as("PoCL, or NVIDIA's driver").isTrue();
        // The last hides the device of a driver that runs CUDA on the CPU.
        Map<String, String> hidden = openCl
                ? Map.of("OCL_ICD_VENDORS", pocl.toString(), "POCL_DEVICES", "none")
                : Map.of("CUDA_VISIBLE_DEVICES", "-1", "CPUCUDA_NO_DEVICE", "1");
        String output = ChildJvm.run(hidden, List.of(ChildJvm.ARGFILE, ChildJvm.NO_BAILOUT), ProbeMain.class);
        assertThat(output)
                .contains("usable: false")
                .contains("TornadoVM has no driver with a device")
                .contains(openCl ? "install the OpenCL driver" : "install NVIDIA's driver")
                .contains("devices: 0")
                .contains("refused: backend tornadovm cannot be used");
    }

    /** What TornadoVM makes of NVRTC's words on a machine that has libnvrtc alone. */
    @Test
    void nvrtcWithoutItsBuiltins() {
        RuntimeException failure = new TornadoBailoutRuntimeException("""
                Unable to compile task forward.norm_collectStatistics - collectStatistics
                The internal error is: Error during code compilation with the CUDADriver driver:
                nvrtc: error: failed to open libnvrtc-builtins.so.13.0.
                  Make sure that libnvrtc-builtins.so.13.0 is installed correctly.

                Stacktrace: [tornado.drivers.cuda/CUDACodeCache.installSource(CUDACodeCache.java:613), java.base/Thread.run]
                """);
        assertThat(Faults.whilePreparing(HostPlan.Operation.FORWARD, "0:0", failure))
                .hasMessageContaining("forward on TornadoVM device 0:0: its kernels do not compile")
                .hasMessageContaining(
                        "is installed correctly.; put the CUDA toolkit's libnvrtc-builtins, of that version,")
                .hasMessageNotContaining("Stacktrace")
                .hasMessageNotContaining("please report");
    }

    @Test
    void aDeviceWithoutFloat64(@TempDir Path folder) throws Exception {
        String probed = ChildJvm.run(AS_HERE, VirtualDevice.options(folder, false), ProbeMain.class);
        assertThat(probed)
                .contains("usable: false")
                .containsPattern("no TornadoVM device can do the work: 0:0 virtual \\(GPU, (OPENCL|CUDA)")
                .contains("it has no float64 (OpenCL's cl_khr_fp64)")
                .contains("choose another device, or a CPU backend")
                .contains("device 0:0 usable: false")
                .contains("refused: backend tornadovm cannot be used");
        String pieces = ChildJvm.run(AS_HERE, VirtualDevice.options(folder, false), PiecesMain.class);
        assertThat(pieces).contains("refused: device: virtual given, which has no float64");
    }

    /** A virtual device passes for a GPU until it is to do something. */
    @Test
    void underAutoTheCpuDoesTheWorkOfADeviceThatFails(@TempDir Path folder) throws Exception {
        List<String> options = new ArrayList<>(VirtualDevice.options(folder, true));
        options.add("-D" + TornadoBackend.MINIMUM_ELEMENTS_PROPERTY + "=1");
        options.add("--add-modules=jdk.incubator.vector");
        String output = ChildJvm.run(AS_HERE, options, AutomaticMain.class);
        assertThat(output)
                .contains("chosen: tornadovm")
                .containsOnlyOnce("backend tornadovm failed and is not used again by this layer, vector does its work")
                .contains("like the CPU's: true")
                .doesNotContain("like the CPU's: false");
    }

    @Test
    void bailoutIsTurnedOffWhereNothingWasSaid() throws Exception {
        String output = ChildJvm.run(AS_HERE, List.of(ChildJvm.ARGFILE), ProbeMain.class);
        assertThat(output).contains("usable: true").contains("bailout: False").contains("opened");
    }

    @Test
    void bailoutThatWasAskedForIsRefused() throws Exception {
        String output =
                ChildJvm.run(AS_HERE, List.of(ChildJvm.ARGFILE, "-Dtornado.recover.bailout=True"), ProbeMain.class);
        assertThat(output).contains("usable: false").contains("start Java with -Dtornado.recover.bailout=False");
    }

    /** Setting the property is too late then: TornadoVM has read it. */
    @Test
    void bailoutThatIsOnAlreadyIsRefused() throws Exception {
        String output = ChildJvm.run(AS_HERE, List.of(ChildJvm.ARGFILE), ProbeAfterStartMain.class);
        assertThat(output)
                .contains("usable: false")
                .contains("start Java with -Dtornado.recover.bailout=False")
                .contains("refused: backend tornadovm cannot be used");
        String pieces = ChildJvm.run(AS_HERE, List.of(ChildJvm.ARGFILE), PiecesMain.class);
        assertThat(pieces).contains("refused: ").contains("start Java with -Dtornado.recover.bailout=False");
    }

    @Test
    void outOfDeviceMemory() throws Exception {
        String output = ChildJvm.run(
                AS_HERE,
                List.of(ChildJvm.ARGFILE, ChildJvm.NO_BAILOUT, "-Dtornado.device.memory=3MB"),
                OutOfMemoryMain.class);
        assertThat(output)
                .contains("refused: forward on TornadoVM device 0:0: out of device memory")
                .contains("-Dtornado.device.memory=16GB")
                .contains("unharmed: true")
                .contains("a smaller one fits");
    }

    /**
     * Each plan takes some 4 MiB of 20, as {@link #outOfDeviceMemory} shows, and TornadoVM counts as many bytes for the
     * last as for the first.
     */
    @Test
    void closedPlansFreeTheDevice() throws Exception {
        String output = ChildJvm.run(
                AS_HERE,
                List.of(ChildJvm.ARGFILE, ChildJvm.NO_BAILOUT, "-Dtornado.device.memory=20MB"),
                TwelvePlansMain.class);
        assertThat(output).containsPattern("memory usage: \\[[1-9]\\d*]");
    }
}

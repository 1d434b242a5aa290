package org.batchnorm.bench.tornadovm;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.enums.TornadoVMBackendType;

/** What drives a device. TornadoVM's API tells the platform's name; NVIDIA's driver tells its version itself. */
final class Drivers {
    private static final Path NVIDIA_VERSION = Path.of("/proc/driver/nvidia/version");
    private static final Pattern VERSION = Pattern.compile("\\b\\d{3}\\.\\d+(\\.\\d+)?\\b");

    private Drivers() {}

    /** The platform, and with an NVIDIA device the driver's version, where it is told. */
    static String describe(TornadoDevice device) {
        String platform = device.getPlatformName().strip();
        String name = platform + " " + device.getPhysicalDevice().getDeviceName();
        boolean nvidia = device.getTornadoVMBackend() != TornadoVMBackendType.OPENCL || name.contains("NVIDIA");
        return nvidia
                ? nvidiaVersion()
                        .map(version -> platform + ", NVIDIA " + version)
                        .orElse(platform)
                : platform;
    }

    /** From the kernel's module; in a container without it, from the driver's own tool. */
    private static Optional<String> nvidiaVersion() {
        try {
            String told = Files.isReadable(NVIDIA_VERSION)
                    ? Files.readString(NVIDIA_VERSION)
                    : output("nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader");
            return parseVersion(told);
        } catch (IOException e) {
            return Optional.empty(); // No such tool: the platform's name must do.
        }
    }

    /** The first thing in the text that looks like a version of NVIDIA's driver. */
    static Optional<String> parseVersion(String text) {
        Matcher matcher = VERSION.matcher(text);
        return matcher.find() ? Optional.of(matcher.group()) : Optional.empty();
    }

    private static String output(String... command) throws IOException {
        Process process = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start();
        try {
            if (!process.waitFor(10, TimeUnit.SECONDS)) {
                process.destroy();
                return "";
            }
            return new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            return "";
        }
    }
}

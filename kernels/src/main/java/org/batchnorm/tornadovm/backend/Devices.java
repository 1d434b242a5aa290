package org.batchnorm.tornadovm.backend;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.batchnorm.spi.Availability;
import org.batchnorm.spi.BackendUnavailableException;
import org.batchnorm.spi.DeviceInfo;
import org.batchnorm.tornadovm.DeviceLimits;
import org.batchnorm.tornadovm.TornadoSettings;
import uk.ac.manchester.tornado.api.TornadoBackend;
import uk.ac.manchester.tornado.api.TornadoRuntime;
import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.enums.TornadoDeviceType;
import uk.ac.manchester.tornado.api.runtime.TornadoRuntimeProvider;

/**
 * The devices of this process, found once: drivers neither come nor go while it runs.
 *
 * @param availability whether there is a device, or why not
 * @param devices all of them, by driver and number
 */
record Devices(Availability availability, List<Device> devices) {
    private static final String NO_DEVICE = "TornadoVM has no driver with a device";

    /** What is true of TornadoVM's "No CUDADriver platforms found. Deoptimizing to sequential execution." */
    private static final Pattern NO_PLATFORM = Pattern.compile("No \\w+ platforms found");

    /**
     * One device.
     *
     * @param id "driver:device", TornadoVM's numbers
     * @param handle TornadoVM's own
     * @param description its name, kind, driver and memory
     * @param availability whether it can do the work, or why not
     */
    record Device(String id, TornadoDevice handle, String description, Availability availability) {

        /** Whether it is a processor in disguise, whose "device memory" is the host's. */
        boolean isCpu() {
            return handle.getDeviceType() == TornadoDeviceType.CPU;
        }

        boolean isUsable() {
            return availability.usable();
        }

        /**
         * Whether its float64 is taken for fast.
         *
         * @throws IllegalArgumentException if the property that says so has another value
         */
        boolean hasFastFloat64() {
            return DeviceLimits.hasFastFloat64(handle);
        }

        /** Whether its kernels may have float16 and bfloat16. */
        boolean takes16Bit() {
            return DeviceLimits.compiles16Bit(handle);
        }

        /** Why they may not; nothing if they may. */
        String whyNo16Bit() {
            return takes16Bit()
                    ? ""
                    : "TornadoVM 5.2 compiles kernels that read and store 16-bit types for its backend CUDA alone, and"
                            + " device " + id + " is one of " + handle.getTornadoVMBackend();
        }

        DeviceInfo info() {
            return new DeviceInfo(id, description, availability);
        }
    }

    /** All devices; starts TornadoVM's runtime. Never throws. */
    static Devices find() {
        TornadoSettings.prepare();
        try {
            TornadoRuntime runtime = TornadoRuntimeProvider.getTornadoRuntime();
            if (TornadoSettings.bailsOut()) {
                return new Devices(Prerequisites.bailoutOn(), List.of());
            }
            List<Device> devices = new ArrayList<>();
            for (int driver = 0; driver < runtime.getNumBackends(); driver++) {
                TornadoBackend backend = runtime.getBackend(driver);
                for (int number = 0; number < backend.getNumDevices(); number++) {
                    TornadoDevice handle = backend.getDevice(number);
                    devices.add(device(driver + ":" + number, backend, handle));
                }
            }
            return new Devices(availabilityOf(devices), List.copyOf(devices));
        } catch (Throwable e) { // A driver may throw whatever it likes: that is an answer too.
            return new Devices(noDevice(whyItDoesNotStart(e)), List.of());
        }
    }

    private static Device device(String id, TornadoBackend backend, TornadoDevice handle) {
        String description = describe(backend, handle);
        return new Device(
                id,
                handle,
                description,
                handle.getDeviceContext().isFP64Supported()
                        ? Availability.usable(description)
                        : Availability.unusable(
                                "it has no float64 (OpenCL's cl_khr_fp64), in which statistics are accumulated",
                                "choose another device, or a CPU backend"));
    }

    private static Availability availabilityOf(List<Device> devices) {
        if (devices.isEmpty()) {
            return noDevice(NO_DEVICE);
        }
        long usable = devices.stream().filter(Device::isUsable).count();
        Device first = devices.getFirst();
        return usable > 0
                ? Availability.usable(usable + " TornadoVM device(s)")
                : Availability.unusable(
                        "no TornadoVM device can do the work: " + first.id() + " " + first.description() + ": "
                                + first.availability().reason(),
                        first.availability().remedy());
    }

    /** TornadoVM's message, and what it leaves out: the library that the system's loader did not find. */
    private static String whyItDoesNotStart(Throwable failure) {
        String said = Faults.rootMessage(failure);
        Matcher noPlatform = NO_PLATFORM.matcher(said);
        if (noPlatform.find()) {
            return NO_DEVICE + " (" + noPlatform.group() + ")";
        }
        String reason = "TornadoVM does not start: " + said;
        return SdkBackend.linkErrors().map(errors -> reason + ": " + errors).orElse(reason);
    }

    private static Availability noDevice(String reason) {
        return Availability.unusable(reason, SdkBackend.remedies());
    }

    private static String describe(TornadoBackend backend, TornadoDevice handle) {
        return String.format(
                Locale.ROOT,
                "%s (%s, %s, %.1f GiB)",
                handle.getPhysicalDevice().getDeviceName().strip(),
                handle.getDeviceType(),
                backend.getBackendType(),
                handle.getMaxGlobalMemory() / (double) (1L << 30));
    }

    /** Whether there is a usable device that is no CPU. */
    boolean hasAccelerator() {
        return devices.stream().anyMatch(device -> device.isUsable() && !device.isCpu());
    }

    /**
     * The device of an id; without one the first usable that is no CPU, or else TornadoVM's own default.
     *
     * @throws IllegalArgumentException if there is no such device
     * @throws BackendUnavailableException if it cannot do the work
     */
    Device choose(Optional<String> id) {
        if (id.isPresent()) {
            Device chosen = devices.stream()
                    .filter(device -> device.id().equals(id.get()))
                    .findFirst()
                    .orElseThrow(() ->
                            new IllegalArgumentException("device: \"" + id.get() + "\" given, must be one of "
                                    + devices.stream()
                                            .map(device -> device.id() + " " + device.description())
                                            .collect(Collectors.joining(", "))));
            if (!chosen.isUsable()) {
                throw new BackendUnavailableException(
                        "device " + chosen.id() + " cannot be used: " + chosen.availability());
            }
            return chosen;
        }
        return devices.stream()
                .filter(device -> device.isUsable() && !device.isCpu())
                .findFirst()
                .or(this::defaultDevice)
                .orElseThrow();
    }

    private Optional<Device> defaultDevice() {
        TornadoDevice wanted = TornadoRuntimeProvider.getTornadoRuntime().getDefaultDevice();
        return devices.stream()
                .filter(device -> device.isUsable() && device.handle().equals(wanted))
                .findFirst()
                .or(() -> devices.stream().filter(Device::isUsable).findFirst());
    }
}

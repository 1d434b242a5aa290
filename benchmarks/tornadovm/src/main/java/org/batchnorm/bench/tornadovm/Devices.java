package org.batchnorm.bench.tornadovm;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import org.batchnorm.spi.Availability;
import org.batchnorm.spi.BackendUnavailableException;
import org.batchnorm.tornadovm.backend.TornadoBackend;
import uk.ac.manchester.tornado.api.TornadoRuntime;
import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.enums.TornadoDeviceType;
import uk.ac.manchester.tornado.api.runtime.TornadoRuntimeProvider;

/** TornadoVM's devices, by the ids that {@code batchnorm devices} lists: driver and device, for example {@code 0:0}. */
final class Devices {
    private Devices() {}

    /**
     * A device; without an id the first that is no CPU, or else the first.
     *
     * @throws BackendUnavailableException if there is none, or no driver for one, with the remedy
     * @throws IllegalArgumentException if there is none of that id
     */
    static Device choose(Optional<String> id) {
        // Starts TornadoVM, which throws whatever it likes where a driver is missing; the backend makes an answer of
        // it.
        Availability availability = new TornadoBackend().availability();
        if (!availability.usable()) {
            throw new BackendUnavailableException("no TornadoVM device: " + availability);
        }
        List<Device> devices = all();
        if (id.isPresent()) {
            return devices.stream()
                    .filter(device -> device.id().equals(id.get()))
                    .findFirst()
                    .orElseThrow(
                            () -> new IllegalArgumentException("device: \"" + id.get() + "\" given, must be one of "
                                    + devices.stream().map(Device::toString).collect(Collectors.joining("; "))));
        }
        return devices.stream()
                .filter(device -> device.handle().getDeviceType() != TornadoDeviceType.CPU)
                .findFirst()
                .orElse(devices.getFirst());
    }

    private static List<Device> all() {
        TornadoRuntime runtime = TornadoRuntimeProvider.getTornadoRuntime();
        List<Device> devices = new ArrayList<>();
        for (int driver = 0; driver < runtime.getNumBackends(); driver++) {
            for (int number = 0; number < runtime.getBackend(driver).getNumDevices(); number++) {
                devices.add(new Device(
                        driver + ":" + number, runtime.getBackend(driver).getDevice(number)));
            }
        }
        return devices;
    }

    /**
     * One device.
     *
     * @param id driver and device
     * @param handle TornadoVM's own
     */
    record Device(String id, TornadoDevice handle) {

        /** Its name as its driver gives it, and the kind of the driver. */
        String description() {
            return handle.getPhysicalDevice().getDeviceName().strip() + " (" + handle.getTornadoVMBackend() + ")";
        }

        @Override
        public String toString() {
            return id + ", " + description();
        }
    }
}

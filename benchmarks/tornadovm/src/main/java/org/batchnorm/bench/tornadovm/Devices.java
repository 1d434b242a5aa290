package org.batchnorm.bench.tornadovm;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.batchnorm.spi.BackendUnavailableException;
import uk.ac.manchester.tornado.api.TornadoRuntime;
import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.enums.TornadoDeviceType;
import uk.ac.manchester.tornado.api.runtime.TornadoRuntimeProvider;

/** TornadoVM's devices, by the ids that {@code batchnorm devices} lists: driver and device, for example {@code 0:0}. */
final class Devices {
    private Devices() {}

    /**
     * Opens a device; without an id the first that is no CPU, or else the first.
     *
     * @throws BackendUnavailableException if there is none
     * @throws IllegalArgumentException if there is none of that id
     */
    static TornadoDevice open(Optional<String> id) {
        Map<String, TornadoDevice> devices = all();
        if (devices.isEmpty()) {
            throw new BackendUnavailableException("TornadoVM finds no device; 'batchnorm devices' says what it needs");
        }
        if (id.isPresent()) {
            return Optional.ofNullable(devices.get(id.get()))
                    .orElseThrow(() ->
                            new IllegalArgumentException("device: \"" + id.get() + "\" given, must be one of "
                                    + devices.entrySet().stream()
                                            .map(device -> device.getKey() + ", " + describe(device.getValue()))
                                            .collect(Collectors.joining("; "))));
        }
        return devices.values().stream()
                .filter(device -> device.getDeviceType() != TornadoDeviceType.CPU)
                .findFirst()
                .orElseGet(() -> devices.values().iterator().next());
    }

    /** The name of a device as its driver gives it, and the kind of the driver. */
    static String describe(TornadoDevice device) {
        return device.getPhysicalDevice().getDeviceName().strip() + " (" + device.getTornadoVMBackend() + ")";
    }

    private static Map<String, TornadoDevice> all() {
        TornadoRuntime runtime = TornadoRuntimeProvider.getTornadoRuntime();
        Map<String, TornadoDevice> devices = new LinkedHashMap<>();
        for (int driver = 0; driver < runtime.getNumBackends(); driver++) {
            for (int number = 0; number < runtime.getBackend(driver).getNumDevices(); number++) {
                devices.put(driver + ":" + number, runtime.getBackend(driver).getDevice(number));
            }
        }
        return devices;
    }
}

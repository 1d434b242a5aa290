package org.batchnorm.tornadovm.backend;

import java.time.Duration;
import java.util.List;
import org.batchnorm.spi.Availability;
import org.batchnorm.spi.BackendOptions;
import org.batchnorm.spi.BackendUnavailableException;
import org.batchnorm.spi.BatchNormBackend;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.DeviceInfo;

/**
 * The backend {@code tornadovm}: batch normalization of host data on a device of TornadoVM.
 *
 * <p>Every operation sends the batch to the device and its result back, which over PCIe takes longer than a CPU needs
 * for the whole of it. It pays where the caller's processors are busy with other things; who keeps activations on the
 * device uses {@link org.batchnorm.tornadovm.BatchNormTasks} instead. So {@code auto} never takes it, unless
 * {@value #MINIMUM_ELEMENTS_PROPERTY} says from which size on it is worth it here, and then never on a device that is a
 * CPU. By name it works on any device.
 *
 * <p>TornadoVM's silent fallback of running kernels that do not compile as sequential Java is always off: unless the
 * property {@code tornado.recover.bailout} is given, the first look at the devices sets it to False for this process;
 * where TornadoVM already runs with it the backend refuses.
 *
 * <p>This class names no type of TornadoVM, so that it loads without it.
 */
public final class TornadoBackend implements BatchNormBackend {

    /** The backend's name. */
    public static final String NAME = "tornadovm";

    /** System property: batches of at least so many values go to the device under {@code auto}. Without it none do. */
    public static final String MINIMUM_ELEMENTS_PROPERTY = "org.batchnorm.tornadovm.minimumElements";

    private static final System.Logger LOG = System.getLogger(TornadoBackend.class.getName());

    /** Before the CPU backends: where it is automatic at all, it was asked for. */
    private static final int PRIORITY = 300;

    /** For the service loader. */
    public TornadoBackend() {}

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public int priority() {
        return PRIORITY;
    }

    @Override
    public Availability availability() {
        Availability prerequisites = Prerequisites.ofThisProcess().check();
        return prerequisites.usable() ? Found.DEVICES.availability() : prerequisites;
    }

    @Override
    public Availability automatic() {
        Availability prerequisites = Prerequisites.ofThisProcess().check();
        if (!prerequisites.usable()) {
            return prerequisites;
        }
        // Before TornadoVM is started to see its devices.
        try {
            if (minimumElements() == Long.MAX_VALUE) {
                return Availability.unusable(
                        "for data in host memory the CPU is faster than the way to the device and back",
                        "choose " + NAME + " by name, or give the size from which on it pays here: -D"
                                + MINIMUM_ELEMENTS_PROPERTY + "=N");
            }
        } catch (IllegalArgumentException e) {
            return Availability.unusable(String.valueOf(e.getMessage()), "");
        }
        Availability availability = Found.DEVICES.availability();
        if (!availability.usable()) {
            return availability;
        }
        return Found.DEVICES.hasAccelerator()
                ? availability
                : Availability.unusable(
                        "all TornadoVM devices are CPUs, on which the CPU backends are faster",
                        "choose " + NAME + " by name to use one all the same");
    }

    @Override
    public List<DeviceInfo> devices() {
        return Prerequisites.ofThisProcess().check().usable()
                ? Found.DEVICES.devices().stream().map(Devices.Device::info).toList()
                : List.of();
    }

    @Override
    public BatchNormOperations open(BackendOptions options) {
        requireUsable();
        long minimumElements = minimumElements();
        Devices.Device device = Found.DEVICES.choose(options.device());
        LOG.log(
                System.Logger.Level.DEBUG,
                "device {0}, {1}: float64 is taken for {2}",
                device.id(),
                device.description(),
                device.hasFastFloat64() ? "fast" : "slow");
        return new TornadoOperations(DeviceSession.open(device), minimumElements);
    }

    /** The time of compiling kernels for host data and executing them for the first time. */
    @Override
    public Duration preparationTime() {
        return Duration.ofNanos(DeviceSession.preparationNanos());
    }

    static void requireUsable() {
        Availability availability = new TornadoBackend().availability();
        if (!availability.usable()) {
            throw new BackendUnavailableException("backend " + NAME + " cannot be used: " + availability);
        }
    }

    private static long minimumElements() {
        String given = System.getProperty(MINIMUM_ELEMENTS_PROPERTY);
        if (given == null) {
            return Long.MAX_VALUE;
        }
        if (!given.strip().matches("\\d{1,18}")) {
            throw new IllegalArgumentException("-D" + MINIMUM_ELEMENTS_PROPERTY + ": \"" + given
                    + "\" given, must be a number of values, at least 0");
        }
        return Long.parseLong(given.strip());
    }

    /** The devices, looked for at first use. */
    private static final class Found {
        static final Devices DEVICES = Devices.find();
    }
}

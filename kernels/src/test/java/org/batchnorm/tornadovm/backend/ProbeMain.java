package org.batchnorm.tornadovm.backend;

import org.batchnorm.spi.BackendOptions;
import org.batchnorm.spi.BackendUnavailableException;
import org.batchnorm.spi.Backends;
import org.batchnorm.spi.BatchNormBackend;

/** Prints what probing says, through the service loader as users meet it. */
final class ProbeMain {
    private ProbeMain() {}

    public static void main(String[] arguments) {
        BatchNormBackend backend = Backends.all().stream()
                .filter(candidate -> candidate.name().equals("tornadovm"))
                .findFirst()
                .orElseThrow();
        System.out.println("usable: " + backend.availability().usable());
        System.out.println("answer: " + backend.availability());
        System.out.println("automatic: " + backend.automatic().usable());
        System.out.println("devices: " + backend.devices().size());
        backend.devices()
                .forEach(device -> System.out.println("device " + device.id() + " usable: "
                        + device.availability().usable()));
        System.out.println("bailout: " + System.getProperty("tornado.recover.bailout"));
        try {
            backend.open(BackendOptions.fromSystemProperties()).close();
            System.out.println("opened");
        } catch (BackendUnavailableException e) {
            System.out.println("refused: " + e.getMessage());
        }
    }
}

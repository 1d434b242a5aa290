package org.batchnorm.bench.jmh.session;

/**
 * One of our backends, as a run measures it.
 *
 * @param name its name
 * @param device {@link #CPU}, or the device that it uses, by its description
 */
public record MeasuredBackend(String name, String device) {

    /** The device of a backend that computes on the CPU, with as many threads as it is told. */
    public static final String CPU = "cpu";

    /** A backend on the CPU. */
    public static MeasuredBackend onCpu(String name) {
        return new MeasuredBackend(name, CPU);
    }

    /** Whether it computes elsewhere: the CPU's threads are then of no concern, and host data are transferred. */
    public boolean onDevice() {
        return !device.equals(CPU);
    }
}

package org.batchnorm.bench.tornadovm.model;

import java.util.List;
import java.util.Optional;
import org.batchnorm.tornadovm.DeviceLimits;

/**
 * A GPU as the model sees it. Bandwidth, multiprocessors, caches, and operations a clock are the maker's numbers (data
 * sheets, and the CUDA programming guide's table of arithmetic throughput); the clock under load, the latency of memory
 * under load, the cache's bandwidth and the cost of a launch are assumptions, which measurements shall correct.
 *
 * @param name as tables show it
 * @param match what the driver's name of the device contains
 * @param units multiprocessors
 * @param gigahertz clock under load
 * @param gigabytesPerSecond of memory, peak
 * @param cacheMebibytes of the second-level cache
 * @param cacheGigabytesPerSecond of that cache
 * @param latencyNanos from a load to its value, under load
 * @param launchMicros the least that a kernel takes: to start, and to drain
 * @param unit what one multiprocessor has
 */
public record Gpu(
        String name,
        String match,
        int units,
        double gigahertz,
        double gigabytesPerSecond,
        double cacheMebibytes,
        double cacheGigabytesPerSecond,
        double latencyNanos,
        double launchMicros,
        Unit unit) {

    /**
     * A multiprocessor.
     *
     * @param workItems that can be resident
     * @param workGroups that can be resident
     * @param sharedKibibytes of shared memory
     * @param float64PerClock additions, multiplications and fused ones of float64
     * @param conversionsPerClock conversions from and to float64
     * @param float32PerClock as float64PerClock, of float32
     */
    public record Unit(
            int workItems,
            int workGroups,
            int sharedKibibytes,
            double float64PerClock,
            double conversionsPerClock,
            double float32PerClock) {}

    /** Those that the tables show. */
    public static final List<Gpu> ALL = List.of(
            new Gpu("H100", "H100", 132, 1.75, 3350, 50, 5500, 700, 2, new Unit(2048, 32, 228, 64, 16, 128)),
            new Gpu("H200", "H200", 132, 1.75, 4800, 50, 5500, 700, 2, new Unit(2048, 32, 228, 64, 16, 128)),
            new Gpu("A100", "A100", 108, 1.41, 2039, 40, 4000, 700, 2.5, new Unit(2048, 32, 164, 32, 16, 64)),
            new Gpu("RTX 4090", "4090", 128, 2.5, 1008, 72, 4000, 600, 2, new Unit(1536, 24, 100, 2, 2, 128)));

    /** What the pieces take the GPU for. */
    public DeviceLimits limits() {
        return new DeviceLimits(units, 1024, 48 << 10, false, DeviceLimits.hasFastFloat64(match));
    }

    /** The GPU of a driver's name of it; empty if the model has none. */
    public static Optional<Gpu> named(String deviceName) {
        return ALL.stream().filter(gpu -> deviceName.contains(gpu.match())).findFirst();
    }
}

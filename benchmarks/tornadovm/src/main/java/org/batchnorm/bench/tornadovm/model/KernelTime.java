package org.batchnorm.bench.tornadovm.model;

import java.util.Comparator;
import java.util.Map;
import org.batchnorm.tornadovm.Launch;

/**
 * What a kernel must take on a GPU: its launch, and the longest of what it cannot do without.
 *
 * <ul>
 *   <li>{@code memory}: its bytes, over 0.9 of the memory's bandwidth, or of the cache's where all tensors of the
 *       operation fit into it;
 *   <li>{@code in flight}: the bytes that it reads, times the latency, over those that the resident work-items have in
 *       flight (Little's law), one latency at least;
 *   <li>{@code arithmetic}: conversions and operations in float64 and those of pairs of float32, one after the other,
 *       on the multiprocessors that have a work-group.
 * </ul>
 *
 * @param kernel its name
 * @param launchMicros of its start
 * @param memoryMicros see above
 * @param flightMicros see above
 * @param arithmeticMicros see above
 * @param occupancy resident work-items over those that a multiprocessor can have
 */
record KernelTime(
        String kernel,
        double launchMicros,
        double memoryMicros,
        double flightMicros,
        double arithmeticMicros,
        double occupancy) {
    private static final double USABLE = 0.9;
    private static final int REGISTERS = 65_536;
    private static final int WARP = 32;

    /** Registers are handed to warps in blocks of so many. */
    private static final int REGISTER_BLOCK = 256;

    /** Shared memory that CUDA keeps of each work-group's. */
    private static final int RESERVED_SHARED = 1024;

    /**
     * The time of a launch.
     *
     * @param values of a tensor
     * @param cached whether all tensors of the operation stay in the cache from one execution to the next
     */
    static KernelTime of(Launch launch, long values, boolean cached, Gpu gpu) {
        KernelCost cost = KernelCost.of(launch.kernel(), gpu.limits().fastFloat64());
        double partialBytes = (double) Double.BYTES * cost.partials() * launch.partials();
        boolean merges = cost.reads() == 0;
        double read = (double) Float.BYTES * cost.reads() * values + (merges ? partialBytes : 0);
        double written = (double) Float.BYTES * cost.writes() * values + (merges ? 0 : partialBytes);
        double bandwidth = USABLE * (cached ? gpu.cacheGigabytesPerSecond() : gpu.gigabytesPerSecond());
        int resident = residentGroups(launch, cost.registers(), gpu.unit());
        double standing = Math.min((double) launch.groups(), (double) resident * gpu.units()) * launch.workGroup();
        double inFlight = standing * cost.loads() * Float.BYTES;
        double busy = (double) Math.min(gpu.units(), launch.groups()) * gpu.gigahertz() * 1e3;
        return new KernelTime(
                launch.kernel(),
                gpu.launchMicros(),
                (read + written) / bandwidth / 1e3,
                gpu.latencyNanos() / 1e3 * Math.max(1, read / inFlight),
                values
                        * (cost.conversions() / gpu.unit().conversionsPerClock()
                                + cost.float64() / gpu.unit().float64PerClock()
                                + cost.float32() / gpu.unit().float32PerClock())
                        / busy,
                Math.min(1, (double) resident * launch.workGroup() / gpu.unit().workItems()));
    }

    /** Work-groups that one multiprocessor can hold, by work-items, registers and shared memory. */
    static int residentGroups(Launch launch, int registers, Gpu.Unit unit) {
        int warps = Math.ceilDiv(launch.workGroup(), WARP);
        int registersOfWarp = Math.ceilDiv(registers * WARP, REGISTER_BLOCK) * REGISTER_BLOCK;
        int byItems = unit.workItems() / (warps * WARP);
        int byRegisters = REGISTERS / registersOfWarp / warps;
        int byShared = (unit.sharedKibibytes() << 10) / (launch.localBytes() + RESERVED_SHARED);
        return Math.min(Math.min(byItems, unit.workGroups()), Math.min(byRegisters, byShared));
    }

    double micros() {
        return launchMicros + Math.max(memoryMicros, Math.max(flightMicros, arithmeticMicros));
    }

    /** The time if nothing but its launch and its bytes held it up. */
    double needed() {
        return launchMicros + memoryMicros;
    }

    /** What most of the time goes to. */
    String limit() {
        return Map.of(
                        "launch", launchMicros,
                        "memory", memoryMicros,
                        "in flight", flightMicros,
                        "arithmetic", arithmeticMicros)
                .entrySet()
                .stream()
                .max(Comparator.comparingDouble(Map.Entry::getValue))
                .orElseThrow()
                .getKey();
    }
}

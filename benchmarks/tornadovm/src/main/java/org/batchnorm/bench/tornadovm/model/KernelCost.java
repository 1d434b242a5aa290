package org.batchnorm.bench.tornadovm.model;

import java.util.Map;

/**
 * What a kernel does for each value of the batch, as its code has it: {@code GeneratedCodeTest} counts loads and
 * stores, {@code CompiledCodeTest} registers, of which these are the most of any layout for sm_80 to sm_90.
 *
 * @param reads tensors that it reads
 * @param writes tensors that it writes
 * @param loads 4-byte loads that a work-item has in flight
 * @param registers of a work-item
 * @param conversions to float64, a value
 * @param float64 operations in float64, a value
 * @param float32 those of sums in pairs of float32, a value; other float32 operations are few and not counted
 * @param partials arrays of partial results, float64, that it writes or reads
 */
record KernelCost(
        int reads,
        int writes,
        int loads,
        int registers,
        double conversions,
        double float64,
        double float32,
        int partials) {

    private static final Map<String, KernelCost> BY_KERNEL = Map.of(
            "collectStatistics", new KernelCost(1, 0, 8, 48, 0.25, 0.25, 0, 2),
            "mergeStatistics", new KernelCost(0, 0, 4, 42, 0, 0, 0, 2),
            "transform", new KernelCost(1, 1, 8, 56, 0, 0, 0, 0),
            "inference", new KernelCost(1, 1, 8, 56, 0, 0, 0, 0),
            "forwardOnChip", new KernelCost(1, 1, 8, 58, 0.25, 0.25, 0, 0),
            "reduceGradients", new KernelCost(2, 0, 8, 48, 0, 0, 28, 3),
            "mergeGradients", new KernelCost(0, 0, 6, 46, 0, 0, 0, 3),
            "inputGradient", new KernelCost(2, 1, 8, 48, 0, 0, 0, 0),
            "backwardOnChip", new KernelCost(2, 1, 8, 58, 0, 0, 28, 0));

    /** Those that take their sums in float64, on GPUs that are fast at it, in the place of the same above. */
    private static final Map<String, KernelCost> IN_FLOAT64 = Map.of(
            "reduceGradients", new KernelCost(2, 0, 8, 42, 2, 3, 0, 3),
            "backwardOnChip", new KernelCost(2, 1, 8, 48, 2, 3, 0, 0));

    /**
     * The cost of a kernel.
     *
     * @param kernel its name
     * @param fastFloat64 as the device's limits have it
     */
    static KernelCost of(String kernel, boolean fastFloat64) {
        KernelCost inFloat64 = IN_FLOAT64.get(kernel);
        KernelCost cost = fastFloat64 && inFloat64 != null ? inFloat64 : BY_KERNEL.get(kernel);
        if (cost == null) {
            throw new IllegalArgumentException(
                    "kernel: \"" + kernel + "\" given, must be one of " + BY_KERNEL.keySet());
        }
        return cost;
    }
}

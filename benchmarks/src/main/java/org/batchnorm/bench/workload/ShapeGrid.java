package org.batchnorm.bench.workload;

import java.util.List;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/** The shapes that are measured. */
public final class ShapeGrid {

    /** The features of the {@link #batchSweep()}. */
    public static final int SWEEP_FEATURES = 256;

    private ShapeGrid() {}

    /**
     * The shapes of real networks, by which the speed is judged: fully connected layers, and convolutions in both
     * layouts.
     */
    public static List<BenchShape> networks() {
        return Stream.of(
                        "32x128",
                        "60x100",
                        "64x1024",
                        "256x256",
                        "256x1024",
                        "1000x100",
                        "1024x1024",
                        "4096x1024",
                        "16384x256",
                        "65536x256",
                        "8192x4096",
                        "8x2048",
                        "32x64x56x56",
                        "32x256x14x14",
                        "64x3x224x224",
                        "128x512x7x7",
                        "32x64x56x56:channels-last",
                        "32x256x14x14:channels-last",
                        "64x3x224x224:channels-last",
                        "128x512x7x7:channels-last")
                .map(BenchShape::parse)
                .toList();
    }

    /** Batch sizes 1, 4, 16, … 65,536 at 256 features, for pictures over the batch size. */
    public static List<BenchShape> batchSweep() {
        return LongStream.iterate(1, n -> n <= 65_536, n -> 4 * n)
                .mapToObj(n -> BenchShape.of(n, SWEEP_FEATURES))
                .toList();
    }

    /** Everything: the networks' shapes, then what the batch sweep adds. */
    public static List<BenchShape> full() {
        return Stream.concat(networks().stream(), batchSweep().stream())
                .distinct()
                .toList();
    }

    /**
     * A few shapes that stand for the rest: in the core's cache, in the shared cache, in memory, and a convolution in
     * both layouts.
     */
    public static List<BenchShape> quick() {
        return Stream.of("256x256", "1024x1024", "65536x256", "32x256x14x14", "32x256x14x14:channels-last")
                .map(BenchShape::parse)
                .toList();
    }

    /** Whether the operation is defined on the shape: training needs two values per feature. */
    public static boolean measurable(Operation operation, BenchShape shape) {
        return operation == Operation.INFERENCE
                || operation.baseline()
                || shape.batchShape().valuesPerFeature() > 1;
    }
}

package org.batchnorm.tornadovm.backend;

import org.batchnorm.data.BatchShape;

/**
 * Which batches share a compiled plan. Kernels are compiled and memory is allocated for the largest batch of a class,
 * and N of each execution travels with it; the class follows from the shape alone, so that results do not depend on
 * what ran before.
 */
final class Capacity {

    /**
     * Batches up to so many values (256 KiB of float32, some 20 µs over PCIe, and 512 KiB of FLOAT64) share one class:
     * the bytes sent in vain cost less than a plan of their own would.
     */
    private static final long SMALL_ELEMENTS = 1L << 16;

    /**
     * Larger ones are rounded up to one of eight sizes per power of two: at most an eighth of what is sent is sent in
     * vain.
     */
    private static final int CLASSES_PER_OCTAVE = 8;

    private Capacity() {}

    /**
     * The same memory with as many features in a row as possible: channels-last data of shape (N, S, C) are (N·S, C).
     */
    static BatchShape flatten(BatchShape shape) {
        return shape.featuresContiguous() ? BatchShape.of(shape.valuesPerFeature(), shape.c()) : shape;
    }

    /**
     * The largest batch of the class of a flattened shape.
     *
     * @param maxElements what no batch may exceed; the shape does not
     */
    static BatchShape of(BatchShape shape, long maxElements) {
        long perSample = shape.c() * shape.spatial();
        long n = Math.max(shape.n(), Math.ceilDiv(SMALL_ELEMENTS, perSample));
        long step = Math.max(1, Long.highestOneBit(n) / CLASSES_PER_OCTAVE);
        long rounded = Math.ceilDiv(n, step) * step;
        long most = maxElements / perSample;
        return new BatchShape(Math.min(rounded, most), shape.c(), shape.spatial(), shape.layout());
    }
}

package org.batchnorm.tornadovm.backend;

import java.lang.foreign.MemorySegment;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.jspecify.annotations.Nullable;
import uk.ac.manchester.tornado.api.types.arrays.BFloat16Array;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.HalfFloatArray;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/**
 * The arrays of a {@link HostPlan} that are not its layer's.
 *
 * @param x the first input
 * @param dy the second one; x where there is none
 * @param out y or dx
 * @param residual in: the residual, or y of the forward with one; x where there is none
 * @param dresidual out; the residual's, if the types are the same
 * @param summary of moments or sums
 * @param moments of a batch whose gradients are reduced
 */
record HostArrays(
        TornadoNativeArray x,
        TornadoNativeArray dy,
        TornadoNativeArray out,
        TornadoNativeArray residual,
        TornadoNativeArray dresidual,
        DoubleArray summary,
        DoubleArray moments) {

    /** An array of its own for a batch. */
    static TornadoNativeArray allocate(ElementType type, BatchShape capacity) {
        int elements = Math.toIntExact(capacity.elements());
        return switch (type) {
            case FLOAT32 -> new FloatArray(elements);
            case FLOAT16 -> new HalfFloatArray(elements);
            case BFLOAT16 -> new BFloat16Array(elements);
            case FLOAT64 -> new DoubleArray(elements);
        };
    }

    /** An array for a batch, in a buffer of the caller's if there is one. */
    static TornadoNativeArray of(ElementType type, @Nullable TransferBuffer buffer, BatchShape capacity) {
        if (buffer == null) {
            return allocate(type, capacity);
        }
        MemorySegment memory = buffer.withHeader(capacity.elements() * type.bytes());
        return switch (type) {
            case FLOAT32 -> FloatArray.fromSegmentShallow(memory);
            case FLOAT16 -> HalfFloatArray.fromSegmentShallow(memory);
            case BFLOAT16 -> BFloat16Array.fromSegmentShallow(memory);
            case FLOAT64 -> DoubleArray.fromSegmentShallow(memory);
        };
    }
}

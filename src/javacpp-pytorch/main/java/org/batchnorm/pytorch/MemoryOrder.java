package org.batchnorm.pytorch;

import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;
import java.util.stream.LongStream;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorBase;

/** The order in which the values of a dense tensor lie. All tensors of one operation must have the same one. */
final class MemoryOrder {
    private final long[] extents;
    private final long[] strides;

    private MemoryOrder(long[] extents, long[] strides) {
        this.extents = extents;
        this.strides = strides;
    }

    static MemoryOrder of(TensorBase dense) {
        return new MemoryOrder(
                extents(dense),
                IntStream.range(0, (int) dense.dim()).mapToLong(dense::stride).toArray());
    }

    static long[] extents(TensorBase tensor) {
        return IntStream.range(0, (int) tensor.dim()).mapToLong(tensor::size).toArray();
    }

    /** The axes, from that with the greatest stride to that with the least. */
    long[] outermostFirst() {
        return IntStream.range(0, strides.length)
                .boxed()
                .sorted(Comparator.comparingLong(axis -> -strides[axis]))
                .mapToLong(Integer::longValue)
                .toArray();
    }

    /** The axes as they are. */
    static long[] asTheyAre(TensorBase tensor) {
        return LongStream.range(0, tensor.dim()).toArray();
    }

    /** The order of the axes that takes another order of them back. */
    static long[] inverse(long[] axes) {
        long[] inverse = new long[axes.length];
        for (int i = 0; i < axes.length; i++) {
            inverse[(int) axes[i]] = i;
        }
        return inverse;
    }

    /** Whether a tensor has these extents and strides; the stride of an axis of extent 1 does not matter. */
    boolean isThatOf(TensorBase tensor) {
        if (!Arrays.equals(extents, extents(tensor))) {
            return false;
        }
        return IntStream.range(0, extents.length)
                .allMatch(axis -> extents[axis] == 1 || strides[axis] == tensor.stride(axis));
    }

    /** A tensor of this order without values. */
    Tensor create(Tensor like) {
        return like.new_empty_strided(extents, strides);
    }

    /** The values of a tensor in this order: itself, or a copy. */
    Tensor arranged(Tensor tensor) {
        if (isThatOf(tensor)) {
            return tensor;
        }
        Tensor copy = create(tensor);
        copy.copy_(tensor);
        return copy;
    }

    /** The values of a tensor of this order, which must stay open while they are used. */
    Batch batch(String name, TensorBase tensor) {
        ElementType type = TensorMemory.elementType(tensor).orElseThrow();
        return Batch.of(name, TensorMemory.of(tensor), type, BatchShape.ofStrides(extents, strides));
    }
}

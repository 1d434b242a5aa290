package org.batchnorm.pytorch;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Optional;
import org.batchnorm.data.ElementType;
import org.bytedeco.pytorch.TensorBase;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** The values of tensors on the CPU: float32, or for data also float16 and bfloat16. */
final class TensorMemory {
    private TensorMemory() {}

    /** Refuses what is not made of plain values on the CPU, of a type that a batch may have. */
    static void requireDataOnCpu(String name, TensorBase tensor) {
        requireOnCpu(name, tensor);
        if (elementType(tensor).isEmpty()) {
            throw new IllegalArgumentException(name + ": a tensor of type "
                    + tensor.scalar_type().intern()
                    + " given, must be of Float (float32), Half (float16) or BFloat16; call to(Float) first");
        }
    }

    private static void requireOnCpu(String name, TensorBase tensor) {
        if (!tensor.defined()) {
            throw new IllegalArgumentException(name + ": an undefined tensor given, must be one of values");
        }
        if (!tensor.is_cpu()) {
            throw new IllegalArgumentException(name + ": a tensor on the device "
                    + tensor.device().str().getString() + " given, must be on the CPU; call to(cpu) first");
        }
        if (tensor.layout().intern() != torch.Layout.Strided) {
            throw new IllegalArgumentException(name + ": a tensor of layout "
                    + tensor.layout().intern() + " given, must be strided; call to_dense() first");
        }
        if (tensor.is_neg()) {
            throw new IllegalArgumentException(
                    name + ": a view that negates its values given, must hold them; call resolve_neg() first");
        }
    }

    /** The type of a tensor's values, if a batch may have it. */
    static Optional<ElementType> elementType(TensorBase tensor) {
        return switch (tensor.scalar_type().intern()) {
            case Float -> Optional.of(ElementType.FLOAT32);
            case Half -> Optional.of(ElementType.FLOAT16);
            case BFloat16 -> Optional.of(ElementType.BFLOAT16);
            default -> Optional.empty();
        };
    }

    /** The memory of a dense tensor, which must stay open while it is used. */
    @SuppressWarnings("restricted") // the tensor's own memory, as long as it is
    static MemorySegment of(TensorBase dense) {
        long bytes = dense.numel() * dense.element_size();
        return bytes == 0
                ? MemorySegment.ofArray(new float[0])
                : MemorySegment.ofAddress(dense.data_ptr().address()).reinterpret(bytes);
    }

    /** Reads a vector of as many values. */
    static void read(String name, TensorBase vector, float[] values) {
        requireOnCpu(name, vector);
        if (vector.scalar_type().intern() != ScalarType.Float) {
            throw new IllegalArgumentException(name + ": a tensor of type "
                    + vector.scalar_type().intern() + " given, must be of Float (float32), whatever the type of x");
        }
        if (vector.numel() != values.length || !vector.is_contiguous()) {
            throw new IllegalArgumentException(name + ": a tensor of " + vector.numel()
                    + " values given, must be a contiguous one of the layer's " + values.length);
        }
        MemorySegment.copy(of(vector), ValueLayout.JAVA_FLOAT, 0, values, 0, values.length);
    }

    /** Writes a contiguous vector of as many values. */
    static void write(float[] values, TensorBase vector) {
        MemorySegment.copy(values, 0, of(vector), ValueLayout.JAVA_FLOAT, 0, values.length);
    }
}

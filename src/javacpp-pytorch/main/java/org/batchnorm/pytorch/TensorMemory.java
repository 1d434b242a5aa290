package org.batchnorm.pytorch;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.bytedeco.pytorch.TensorBase;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** The values of float tensors on the CPU. */
final class TensorMemory {
    private TensorMemory() {}

    /** Refuses what is not made of plain floats on the CPU. */
    static void requireFloatsOnCpu(String name, TensorBase tensor) {
        if (!tensor.defined()) {
            throw new IllegalArgumentException(name + ": an undefined tensor given, must be one of floats");
        }
        if (!tensor.is_cpu()) {
            throw new IllegalArgumentException(name + ": a tensor on the device "
                    + tensor.device().str().getString() + " given, must be on the CPU; call to(cpu) first");
        }
        if (tensor.layout().intern() != torch.Layout.Strided) {
            throw new IllegalArgumentException(name + ": a tensor of layout "
                    + tensor.layout().intern() + " given, must be strided; call to_dense() first");
        }
        if (tensor.scalar_type().intern() != ScalarType.Float) {
            throw new IllegalArgumentException(name + ": a tensor of type "
                    + tensor.scalar_type().intern() + " given, must be of Float (float32); call to(Float) first");
        }
        if (tensor.is_neg()) {
            throw new IllegalArgumentException(
                    name + ": a view that negates its values given, must hold them; call resolve_neg() first");
        }
    }

    /** The memory of a dense tensor, which must stay open while it is used. */
    @SuppressWarnings("restricted") // the tensor's own memory, as long as it is
    static MemorySegment of(TensorBase dense) {
        long bytes = dense.numel() * Float.BYTES;
        return bytes == 0
                ? MemorySegment.ofArray(new float[0])
                : MemorySegment.ofAddress(dense.data_ptr().address()).reinterpret(bytes);
    }

    /** Reads a vector of as many values. */
    static void read(String name, TensorBase vector, float[] values) {
        requireFloatsOnCpu(name, vector);
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

package org.batchnorm.state;

import java.util.List;
import java.util.Optional;

/**
 * What the header of a file tells about a tensor.
 *
 * @param type the name of its type in the file, which need not be one of {@link DType}
 * @param shape its extents; empty for a scalar
 * @param bytes how many bytes its elements have in the file
 */
public record TensorInfo(String type, List<Long> shape, long bytes) {

    /** Copies the shape. */
    public TensorInfo {
        shape = List.copyOf(shape);
    }

    /** Its type; empty for one that cannot be read here. */
    public Optional<DType> dtype() {
        return DType.named(type);
    }

    /** Type and shape, such as {@code F32[64, 3]}. */
    @Override
    public String toString() {
        return type + shape;
    }
}

package org.batchnorm.bench.workload;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;
import org.batchnorm.data.ElementType;

/**
 * How an operation is done: with values of which type, and with what besides. Rows of one kind are compared with each
 * other, and with those of another to tell what the type or the fusion brings.
 *
 * @param type of x, y, dy, dx and the residual
 * @param fusion what is done with batch normalization
 */
public record Kind(ElementType type, Fusion fusion) {

    /** Batch normalization alone, of float32: what everybody has. */
    public static final Kind PLAIN = new Kind(ElementType.FLOAT32, Fusion.NONE);

    /** Whether it is {@link #PLAIN}. */
    public boolean isPlain() {
        return equals(PLAIN);
    }

    /** The type's name in files and on the command line: {@code float32}, {@code bfloat16}. */
    public static String label(ElementType type) {
        return type.name().toLowerCase(Locale.ROOT);
    }

    /**
     * The type of the name.
     *
     * @throws IllegalArgumentException if there is none
     */
    public static ElementType type(String label) {
        return Arrays.stream(ElementType.values())
                .filter(type -> label(type).equals(label))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("type: \"" + label + "\" given, must be one of "
                        + Arrays.stream(ElementType.values()).map(Kind::label).collect(Collectors.joining(", "))));
    }

    /**
     * Half a unit in the last place by the value: what storing a value in the type may cost. 0 for types that are not
     * coarser than float32, whose roundings every tolerance allows already.
     */
    double rounding() {
        if (!type.is16Bit()) {
            return 0;
        }
        short one = type.toBits(1);
        return (type.toFloat((short) (one + 1)) - 1) / 2;
    }

    /** {@code float32}, {@code float16 leaky_relu}. */
    @Override
    public String toString() {
        return label(type) + (fusion == Fusion.NONE ? "" : " " + fusion);
    }
}

package org.batchnorm.cpu.kernel.vector;

import java.util.OptionalInt;
import java.util.Set;

/** The property by which users force the width of the vectors of the backend {@code vector}. */
public final class VectorBits {
    /** The bits of a vector: 128, 256 or 512, no more than the processor's vectors have. */
    public static final String PROPERTY = "org.batchnorm.vectorBits";

    private static final Set<String> WIDTHS = Set.of("128", "256", "512");

    private VectorBits() {}

    /** The width that is asked for; empty where the choice is left to us, or what is asked for is no width. */
    public static OptionalInt forced() {
        String given = System.getProperty(PROPERTY, "");
        return WIDTHS.contains(given) ? OptionalInt.of(Integer.parseInt(given)) : OptionalInt.empty();
    }

    /** What is asked for though it cannot be had; empty where nothing is wrong. */
    public static String problem(int bitsOfProcessor) {
        String given = System.getProperty(PROPERTY, "");
        if (given.isEmpty() || (forced().isPresent() && forced().getAsInt() <= bitsOfProcessor)) {
            return "";
        }
        return "-D" + PROPERTY + "=" + given + " is no width of this processor's vectors, which have at most "
                + bitsOfProcessor + " bits";
    }
}

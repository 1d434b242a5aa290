package org.batchnorm.cpu.kernel.vector;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.invoke.MethodHandles;
import java.util.ArrayList;
import java.util.List;

/**
 * Copies of a kernel class, one for each {@link Variant}. One loop that meets both kinds of memory is up to 1.7 times
 * slower on either. So a kernel class is loaded several times: as it is, and as hidden classes with the same code, each
 * with its variant as class data, which its static final fields take up.
 *
 * <p>A kernel's methods that others call have more than {@value #INLINED_BYTES} bytes of code, the most that the
 * compiler inlines. Where callers meet a second copy, the compiler would else put that one into them before it has seen
 * its loops run: with a call for each vector, up to four times slower for as long as the process lives. A test counts
 * the bytes.
 */
final class Specialized {
    /** The most bytes of code of a method that the compiler inlines into its callers ({@code FreqInlineSize}). */
    static final int INLINED_BYTES = 325;

    private Specialized() {}

    /** The variant of the kernel class that asks. */
    static Variant variant(MethodHandles.Lookup asking) {
        try {
            Variant variant = MethodHandles.classData(asking, "_", Variant.class);
            return variant == null ? Variant.OF_CLASS : variant;
        } catch (IllegalAccessException e) {
            throw new IllegalStateException("the variant of " + asking.lookupClass() + " cannot be read", e);
        }
    }

    /**
     * An instance of each copy of a kernel class, by {@link Variant#numberOf}.
     *
     * @param asking the lookup of the class that is copied
     */
    static <K> List<K> copies(MethodHandles.Lookup asking, Class<K> type) {
        Class<?> kernel = asking.lookupClass();
        List<K> copies = new ArrayList<>();
        try {
            for (int i = 0; i < Variant.count(); i++) {
                Class<?> copy = i == Variant.NUMBER_OF_CLASS
                        ? kernel
                        : asking.defineHiddenClassWithClassData(code(kernel), Variant.of(i), true)
                                .lookupClass();
                copies.add(type.cast(copy.getDeclaredConstructor().newInstance()));
            }
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("copies of " + kernel.getName() + " cannot be made", e);
        }
        return List.copyOf(copies);
    }

    private static byte[] code(Class<?> kernel) {
        String file = kernel.getSimpleName() + ".class";
        try (InputStream code = kernel.getResourceAsStream(file)) {
            if (code == null) {
                throw new IllegalStateException("class file " + file + " cannot be read");
            }
            return code.readAllBytes();
        } catch (IOException e) {
            throw new UncheckedIOException("class file " + file + " cannot be read", e);
        }
    }
}

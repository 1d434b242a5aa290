package org.batchnorm.cpu.kernel.vector;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.invoke.MethodHandles;
import java.util.concurrent.atomic.AtomicReferenceArray;
import org.batchnorm.cpu.kernel.Operands;

/**
 * Copies of a kernel class, one for each {@link Variant}. One loop that meets both kinds of memory is up to 1.7 times
 * slower on either. So a kernel class is loaded several times: as it is, and as hidden classes with the same code, each
 * with its variant as class data, which its static final fields take up. A copy is made when the first operands need
 * it.
 *
 * <p>A kernel's methods that others call have more than {@value #INLINED_BYTES} bytes of code, the most that the
 * compiler inlines. Where callers meet a second copy, the compiler would else put that one into them before it has seen
 * its loops run: with a call for each vector, up to four times slower for as long as the process lives. A test counts
 * the bytes.
 */
final class Specialized<K> {
    /** The most bytes of code of a method that the compiler inlines into its callers ({@code FreqInlineSize}). */
    static final int INLINED_BYTES = 325;

    private final MethodHandles.Lookup kernel;
    private final Class<K> type;
    private final AtomicReferenceArray<K> copies = new AtomicReferenceArray<>(Variant.count());

    /**
     * The copies of a kernel class.
     *
     * @param kernel the lookup of the class that is copied
     */
    Specialized(MethodHandles.Lookup kernel, Class<K> type) {
        this.kernel = kernel;
        this.type = type;
    }

    /** The variant of the kernel class that asks. */
    static Variant variant(MethodHandles.Lookup asking) {
        try {
            Variant variant = MethodHandles.classData(asking, "_", Variant.class);
            return variant == null ? Variant.OF_CLASS : variant;
        } catch (IllegalAccessException e) {
            throw new IllegalStateException("the variant of " + asking.lookupClass() + " cannot be read", e);
        }
    }

    /** The copy for operands. */
    K of(Operands operands) {
        return of(Variant.numberOf(operands));
    }

    /** The copy of a number. */
    K of(int number) {
        K copy = copies.get(number);
        return copy != null ? copy : make(number);
    }

    private synchronized K make(int number) {
        K copy = copies.get(number);
        if (copy == null) {
            Class<?> original = kernel.lookupClass();
            try {
                Class<?> variant = number == Variant.NUMBER_OF_CLASS
                        ? original
                        : kernel.defineHiddenClassWithClassData(code(original), Variant.of(number), true)
                                .lookupClass();
                copy = type.cast(variant.getDeclaredConstructor().newInstance());
            } catch (ReflectiveOperationException e) {
                throw new IllegalStateException("a copy of " + original.getName() + " cannot be made", e);
            }
            copies.set(number, copy);
        }
        return copy;
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

package org.batchnorm.bench.peers.onednn;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/** The OpenMP library that oneDNN has loaded into this process. */
final class OpenMp {
    private static final String LIBRARY = "libgomp.so.1";

    private OpenMp() {}

    /** The threads that a parallel region of this process gets. */
    @SuppressWarnings("restricted") // the process is started with native access
    static int maxThreads() {
        MethodHandle function = Linker.nativeLinker()
                .downcallHandle(
                        SymbolLookup.libraryLookup(LIBRARY, Arena.global()).findOrThrow("omp_get_max_threads"),
                        FunctionDescriptor.of(ValueLayout.JAVA_INT));
        try {
            return (int) function.invokeExact();
        } catch (Throwable e) {
            throw new IllegalStateException("omp_get_max_threads of " + LIBRARY + " failed: " + e.getMessage(), e);
        }
    }
}

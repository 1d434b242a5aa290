package org.batchnorm.mpi;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/**
 * The functions of an installed Open MPI or MPICH that an exchange needs. The two have different kinds of handles:
 * addresses of symbols, or integers. Once bound, functions are alike.
 */
@SuppressWarnings("restricted") // to call foreign functions is what it is for
final class MpiLibrary {
    /** System property: the library's file, where it is not found by its usual names. */
    static final String LIBRARY_PROPERTY = "org.batchnorm.mpi.library";

    private static final List<String> USUAL_NAMES =
            List.of("libmpi.so.40", "libmpi.so", "libmpi.so.12", "libmpich.so.12", "libmpi.40.dylib", "libmpi.dylib");

    private static final int MPICH_COMM_WORLD = 0x44000000;
    private static final int MPICH_DOUBLE = 0x4c00080b;
    private static final int MPICH_STATUS_BYTES = 64;
    private static final int THREAD_SERIALIZED = 2;

    private final Linker linker = Linker.nativeLinker();
    private final SymbolLookup symbols;
    private final boolean openMpi;
    private final MethodHandle allGather;
    private final MethodHandle barrier;
    private final MethodHandle test;
    private final MethodHandle abort;
    private final MethodHandle initialize;
    private final MethodHandle finish;
    private final MethodHandle rank;
    private final MethodHandle size;
    private final MemorySegment statusIgnore;

    private MpiLibrary(SymbolLookup symbols) {
        this.symbols = symbols;
        this.openMpi = symbols.find("ompi_mpi_comm_world").isPresent();
        MemoryLayout handle = openMpi ? ValueLayout.ADDRESS : ValueLayout.JAVA_INT;
        Object world = openMpi ? symbols.findOrThrow("ompi_mpi_comm_world") : MPICH_COMM_WORLD;
        Object ofDouble = openMpi ? symbols.findOrThrow("ompi_mpi_double") : MPICH_DOUBLE;
        ValueLayout.OfInt number = ValueLayout.JAVA_INT;
        initialize = bind("MPI_Init_thread", ValueLayout.ADDRESS, ValueLayout.ADDRESS, number, ValueLayout.ADDRESS);
        finish = bind("MPI_Finalize");
        rank = MethodHandles.insertArguments(bind("MPI_Comm_rank", handle, ValueLayout.ADDRESS), 0, world);
        size = MethodHandles.insertArguments(bind("MPI_Comm_size", handle, ValueLayout.ADDRESS), 0, world);
        abort = MethodHandles.insertArguments(bind("MPI_Abort", handle, number), 0, world);
        barrier = MethodHandles.insertArguments(bind("MPI_Ibarrier", handle, ValueLayout.ADDRESS), 0, world);
        test = bind("MPI_Test", ValueLayout.ADDRESS, ValueLayout.ADDRESS, ValueLayout.ADDRESS);
        MethodHandle gather = bind(
                "MPI_Iallgather",
                ValueLayout.ADDRESS,
                number,
                handle,
                ValueLayout.ADDRESS,
                number,
                handle,
                handle,
                ValueLayout.ADDRESS);
        // From the last one on, so that the positions of the others stay.
        MethodHandle ofWorld = MethodHandles.insertArguments(gather, 6, world);
        allGather = MethodHandles.insertArguments(MethodHandles.insertArguments(ofWorld, 5, ofDouble), 2, ofDouble);
        statusIgnore = openMpi ? MemorySegment.NULL : Arena.global().allocate(MPICH_STATUS_BYTES);
    }

    /**
     * Opens the library.
     *
     * @throws IllegalStateException if none is installed, with what to install
     */
    static MpiLibrary open() {
        String given = System.getProperty(LIBRARY_PROPERTY);
        List<String> names = given != null ? List.of(given) : USUAL_NAMES;
        keepSignalsOfTheJvm();
        List<String> failures = new ArrayList<>();
        for (String name : names) {
            Optional<SymbolLookup> symbols = load(name, failures);
            if (symbols.isPresent()) {
                return new MpiLibrary(symbols.get());
            }
        }
        throw new IllegalStateException("mpi: no MPI library can be opened (" + String.join("; ", failures)
                + "); install one (Debian: apt install openmpi-bin), or name its file by -D" + LIBRARY_PROPERTY
                + "=FILE");
    }

    private static Optional<SymbolLookup> load(String name, List<String> failures) {
        try {
            SymbolLookup symbols = SymbolLookup.libraryLookup(name, Arena.global());
            if (symbols.find("MPI_Iallgather").isPresent()) {
                return Optional.of(symbols);
            }
            failures.add(name + " has no MPI_Iallgather");
        } catch (IllegalArgumentException e) {
            failures.add(name + " is not there");
        }
        return Optional.empty();
    }

    /**
     * UCX, which an MPI may bring, takes the signal by which the JVM finds null pointers, unless its environment says
     * no. That is read when the library is opened, and a JVM cannot change its own by other means.
     */
    private static void keepSignalsOfTheJvm() {
        Linker linker = Linker.nativeLinker();
        Optional<MemorySegment> setenv = linker.defaultLookup().find("setenv");
        if (setenv.isEmpty()) {
            return;
        }
        FunctionDescriptor type = FunctionDescriptor.of(
                ValueLayout.JAVA_INT, ValueLayout.ADDRESS, ValueLayout.ADDRESS, ValueLayout.JAVA_INT);
        try (Arena arena = Arena.ofConfined()) {
            int overwrite = 0;
            int ignored = (int) linker.downcallHandle(setenv.get(), type)
                    .invokeExact(arena.allocateFrom("UCX_ERROR_SIGNALS"), arena.allocateFrom(""), overwrite);
        } catch (Throwable e) {
            throw failed("setenv", e);
        }
    }

    private MethodHandle bind(String name, MemoryLayout... parameters) {
        MemorySegment function = symbols.find(name)
                .orElseThrow(() -> new IllegalStateException("mpi: the library has no function " + name));
        return linker.downcallHandle(function, FunctionDescriptor.of(ValueLayout.JAVA_INT, parameters));
    }

    /** Which of the two it is. */
    String name() {
        return openMpi ? "Open MPI" : "MPICH";
    }

    /** Starts MPI: once in a process. */
    void initialize() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment provided = arena.allocate(ValueLayout.JAVA_INT);
            check("MPI_Init_thread", (int)
                    initialize.invokeExact(MemorySegment.NULL, MemorySegment.NULL, THREAD_SERIALIZED, provided));
        } catch (Throwable e) {
            throw failed("MPI_Init_thread", e);
        }
    }

    /** Ends MPI in this process. */
    void finish() {
        try {
            check("MPI_Finalize", (int) finish.invokeExact());
        } catch (Throwable e) {
            throw failed("MPI_Finalize", e);
        }
    }

    /** This process's number. */
    int rank() {
        return ask("MPI_Comm_rank", rank);
    }

    /** How many processes there are. */
    int size() {
        return ask("MPI_Comm_size", size);
    }

    private static int ask(String name, MethodHandle function) {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment answer = arena.allocate(ValueLayout.JAVA_INT);
            check(name, (int) function.invokeExact(answer));
            return answer.get(ValueLayout.JAVA_INT, 0);
        } catch (Throwable e) {
            throw failed(name, e);
        }
    }

    /** Begins to gather {@code count} doubles of every process; {@code request} tells of the end. */
    void allGather(MemorySegment mine, int count, MemorySegment all, MemorySegment request) {
        try {
            check("MPI_Iallgather", (int) allGather.invokeExact(mine, count, all, count, request));
        } catch (Throwable e) {
            throw failed("MPI_Iallgather", e);
        }
    }

    /** Begins to wait for every process to come here; {@code request} tells of the end. */
    void barrier(MemorySegment request) {
        try {
            check("MPI_Ibarrier", (int) barrier.invokeExact(request));
        } catch (Throwable e) {
            throw failed("MPI_Ibarrier", e);
        }
    }

    /**
     * Whether a request has ended.
     *
     * @param flag for the answer
     */
    boolean isDone(MemorySegment request, MemorySegment flag) {
        try {
            check("MPI_Test", (int) test.invokeExact(request, flag, statusIgnore));
            return flag.get(ValueLayout.JAVA_INT, 0) != 0;
        } catch (Throwable e) {
            throw failed("MPI_Test", e);
        }
    }

    /** Ends all processes, this one included. */
    void abort(int code) {
        try {
            check("MPI_Abort", (int) abort.invokeExact(code));
        } catch (Throwable e) {
            throw failed("MPI_Abort", e);
        }
    }

    private static void check(String name, int code) {
        if (code != 0) {
            throw new IllegalStateException("mpi: " + name + " failed with code " + code);
        }
    }

    private static RuntimeException failed(String name, Throwable thrown) {
        if (thrown instanceof RuntimeException exception) {
            return exception;
        }
        if (thrown instanceof Error error) {
            throw error;
        }
        return new IllegalStateException("mpi: " + name + " failed", thrown);
    }
}

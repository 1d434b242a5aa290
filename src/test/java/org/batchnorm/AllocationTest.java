package org.batchnorm;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The layer and the CPU backends allocate nothing once they are compiled, and before that not too much. A vector
 * becomes an object wherever the compiler does not inline what works on it. Such code is slow, but it may be so rare
 * that bytes show it better than time does.
 *
 * <p>The child JVMs run with {@code -Xbatch}: calls wait for the compiler. So what is compiled, and when, depends on
 * the calls alone, not on what else the machine has to do.
 */
@Tag("thorough")
class AllocationTest {
    /** So few values that the caller works alone: rows folded into one with one left over, m = 2, one lot, runs. */
    private static final List<String> SMALL =
            List.of("first:61:200:1", "first:2:512:1", "first:32:128:1", "first:8:64:49");

    private static final String LONG_RUNS = "first:11:3:2491";

    /** So many that threads share them: folded rows, rows in many parts, groups of columns, short runs, long runs. */
    private static final List<String> LARGE =
            List.of("last:9:20:1089", "first:2048:192:1", "first:40:2777:1", "first:40:600:9", LONG_RUNS);

    private static final List<String> LARGE_BUT_LONG_RUNS =
            LARGE.stream().filter(shape -> !shape.equals(LONG_RUNS)).toList();

    private static final List<String> SIXTEEN_BITS = List.of(
            "first:61:200:1:FLOAT16",
            "first:2048:192:1:BFLOAT16",
            "first:40:2777:1:FLOAT16",
            "first:40:600:9:BFLOAT16",
            "first:11:3:2491:BFLOAT16");

    private static final List<String> FLOAT64 = List.of(
            "first:61:200:1:FLOAT64", "first:40:2777:1:FLOAT64", "first:40:600:9:FLOAT64", "first:11:3:2491:FLOAT64");

    /** Shapes of which a thousand calls are quick even in interpreted code. */
    private static final List<String> EARLY = List.of("first:61:200:1", "first:2:512:1", "first:2:3:1100");

    /** The same for several threads. The second one has many features to merge, and merges once a call. */
    private static final List<String> EARLY_SHARED = List.of("first:400:200:1", "first:40:2777:1");

    private static final int WARM_UP_MILLIS = 10_000;
    private static final int CALLS = 200;
    private static final int FIRST_CALLS = 1000;
    private static final long MOST_BYTES_OF_FIRST_CALLS = 256 * 1024;
    private static final int SECONDS = 300;

    @ParameterizedTest
    @CsvSource({"vector, 1", "vector, 2", "scalar, 2"})
    void warmOperationsAllocateNothing(String backend, int threads) throws Exception {
        // The caller works on small shapes alone, whatever the number of threads.
        boolean largeOnly = backend.equals("vector") && threads > 1;
        requireNoBytes(
                backend,
                threads,
                largeOnly
                        ? LARGE
                        : Stream.concat(SMALL.stream(), LARGE.stream()).toList());
    }

    /**
     * Rows that are read from streams come when those that stay in the caches have been compiled. Of vectors half as
     * wide as the machine's, the compiler then made objects, 6 MB a call and 17 times slower for good.
     */
    @ParameterizedTest
    @CsvSource({"16", "32", "64"})
    void warmOperationsOfAnotherWayAllocateNothing(int vectorBytes) throws Exception {
        List<String> shapes = List.of("first:64:1024:1", "first:256:256:1", "first:1024:256:1", "first:1024:1024:1");
        requireNoBytes("vector", 1, shapes, "-XX:MaxVectorSize=" + vectorBytes);
    }

    @ParameterizedTest
    @CsvSource({"vector, 1", "vector, 2", "scalar, 2"})
    void warmOperationsOnSixteenBitsAllocateNothing(String backend, int threads) throws Exception {
        requireNoBytes(backend, threads, SIXTEEN_BITS);
    }

    @ParameterizedTest
    @CsvSource({"vector, 1", "scalar, 2"})
    void warmOperationsOnFloat64AllocateNothing(String backend, int threads) throws Exception {
        requireNoBytes(backend, threads, FLOAT64);
    }

    /**
     * With an activation before and one after batch norm, and with one that is undone, of all large shapes but that of
     * long runs.
     */
    @ParameterizedTest
    @ValueSource(strings = {"both", "undone"})
    void warmOperationsWithActivationsAllocateNothing(String activations) throws Exception {
        requireNoBytes("vector", 2, LARGE_BUT_LONG_RUNS, "-D" + AllocationMain.FUSED + "=" + activations);
    }

    @Test
    void warmOperationsWithAResidualAllocateNothing() throws Exception {
        List<String> shapes =
                List.of("first:40:600:9", "first:2048:192:1", "first:2048:192:1:BFLOAT16", "first:61:200:1:FLOAT64");
        requireNoBytes("vector", 2, shapes, "-D" + AllocationMain.FUSED + "=residual");
    }

    private static void requireNoBytes(String backend, int threads, List<String> shapes, String... options)
            throws Exception {
        List<String> rows = measure(backend, threads, WARM_UP_MILLIS, CALLS, shapes, options);
        assertThat(rows.stream().filter(row -> bytes(row) != 0).toList())
                .as("mean bytes a call of what allocates: %s on %d threads", backend, threads)
                .isEmpty();
    }

    @ParameterizedTest
    @CsvSource({"vector, 1", "vector, 2", "scalar, 1"})
    void firstOperationsAllocateLittle(String backend, int threads) throws Exception {
        List<String> rows = measure(backend, threads, 0, FIRST_CALLS, threads == 1 ? EARLY : EARLY_SHARED);
        assertThat(rows.stream()
                        .filter(row -> bytes(row) > MOST_BYTES_OF_FIRST_CALLS)
                        .toList())
                .as("mean bytes of the first %d calls: %s on %d threads", FIRST_CALLS, backend, threads)
                .isEmpty();
    }

    /** A row for each shape, kind of memory and operation; the last cell has the mean bytes a call. */
    private static List<String> measure(
            String backend, int threads, int warmUpMillis, int calls, List<String> shapes, String... more)
            throws Exception {
        List<String> arguments = new ArrayList<>(
                List.of(backend, String.valueOf(threads), String.valueOf(warmUpMillis), String.valueOf(calls)));
        arguments.addAll(shapes);
        List<String> options = new ArrayList<>(List.of("-Xbatch", "-XX:+UseSerialGC"));
        options.addAll(List.of(more));
        String output = ChildJvm.run(options, AllocationMain.class, arguments, SECONDS);
        List<String> rows = output.lines()
                .filter(line -> line.startsWith(AllocationMain.ROW))
                .map(line -> line.substring(AllocationMain.ROW.length()))
                .toList();
        assertThat(rows).hasSize(shapes.size() * AllocationMain.ROWS_PER_SHAPE);
        assertThat(output)
                .as("threads whose bytes were counted")
                .contains(AllocationMain.WORKERS + (threads - 1) + System.lineSeparator());
        return rows;
    }

    private static long bytes(String row) {
        return Long.parseLong(row.substring(row.lastIndexOf(',') + 1));
    }
}

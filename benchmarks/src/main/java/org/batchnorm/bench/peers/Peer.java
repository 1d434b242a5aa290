package org.batchnorm.bench.peers;

import java.util.List;
import java.util.Map;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Expected;
import org.batchnorm.bench.workload.Fusion;
import org.batchnorm.bench.workload.Inputs;
import org.batchnorm.bench.workload.Operation;

/** A library that can do batch normalization. Found as a service; it is used by one thread. */
public interface Peer {

    /** Its name in results: lower case, one word. */
    String name();

    /**
     * Loads the library and sets its number of threads; called once, before anything else is asked.
     *
     * @return the library's version and what it says about its threads
     */
    Started start(int threads);

    /** The names of the ways in which it can run the operation on the shape; empty if it cannot at all. */
    List<String> variants(Operation operation, BenchShape shape);

    /**
     * The names of the ways in which it can run the operation with something besides, fused or one after the other;
     * empty if it cannot or is not asked to. The inputs then tell what ({@link Inputs#kind}).
     */
    default List<String> variants(Operation operation, BenchShape shape, Fusion fusion) {
        return List.of();
    }

    /** Whether every run of the operation needs a {@link Variant#prepareCall} before it. */
    default boolean preparesCalls(Operation operation) {
        return false;
    }

    /**
     * Makes one of them ready: inputs loaded, outputs allocated.
     *
     * @param variant one of {@link #variants}
     */
    Variant prepare(String variant, Operation operation, BenchShape shape, Inputs inputs);

    /**
     * What a library says about itself.
     *
     * @param version its version
     * @param threads the threads that it says it uses
     * @param settings more, in its own words
     */
    record Started(String version, int threads, String settings) {}

    /** One way to run one operation on one shape. */
    interface Variant extends AutoCloseable {

        /** What the library tells about the code that runs; empty if nothing. */
        default String detail() {
            return "";
        }

        /** What must happen before each run and is not timed. */
        default void prepareCall() {}

        /** Runs the operation once. */
        void run();

        /** The results of a run by quantity, in the shape's layout, named as in {@link Expected}. */
        Map<String, float[]> results();

        /** Frees its memory. */
        @Override
        void close();
    }
}

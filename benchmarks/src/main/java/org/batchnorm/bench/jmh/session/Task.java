package org.batchnorm.bench.jmh.session;

import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Operation;

/** One step of a run, in one process: one measurement, or all variants of a peer. */
public sealed interface Task {

    /** What. */
    Operation operation();

    /** On what. */
    BenchShape shape();

    /** Whether both are operations on the same shape, whoever does them. */
    default boolean isComparedWith(Task other) {
        return isOperation()
                && other.isOperation()
                && operation() == other.operation()
                && shape().equals(other.shape());
    }

    private boolean isOperation() {
        return this instanceof Ours || this instanceof OfPeer;
    }

    /** A baseline on as many elements as the shape has. */
    record Baseline(Operation operation, BenchShape shape, String memory, int threads) implements Task {
        @Override
        public String toString() {
            return operation + " " + shape + " " + memory + ", " + threads + " threads";
        }
    }

    /** One of our backends' operations. */
    record Ours(Operation operation, BenchShape shape, MeasuredBackend backend, String memory, int threads)
            implements Task {
        @Override
        public String toString() {
            return operation + " " + shape + " " + backend.name() + " " + memory
                    + (backend.onDevice() ? " on " + backend.device() : ", " + threads + " threads");
        }
    }

    /** The layer on one of our backends. */
    record Layer(Operation operation, BenchShape shape, String backend, int threads) implements Task {
        @Override
        public String toString() {
            return operation + " " + shape + " " + backend + " layer, " + threads + " threads";
        }
    }

    /** A call that is no steady one: the first of a JVM, or the first of a shape. */
    record FirstCall(Operation operation, BenchShape shape, String backend, String phase, int threads) implements Task {
        @Override
        public String toString() {
            return operation + " " + shape + " " + backend + ", " + phase + " call, " + threads + " threads";
        }
    }

    /** A peer. */
    record OfPeer(String peer, Operation operation, BenchShape shape, int threads) implements Task {
        @Override
        public String toString() {
            return operation + " " + shape + " " + peer + ", " + threads + " threads";
        }
    }
}

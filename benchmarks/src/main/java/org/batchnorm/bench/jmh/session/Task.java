package org.batchnorm.bench.jmh.session;

import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Fusion;
import org.batchnorm.bench.workload.Kind;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.data.ElementType;

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

    /** A baseline on as many bytes as a tensor of the shape and the type has. */
    record Baseline(Operation operation, BenchShape shape, ElementType type, String memory, int threads)
            implements Task {
        @Override
        public String toString() {
            return operation + " " + shape + " " + Kind.label(type) + " " + memory + ", " + threads + " threads";
        }
    }

    /**
     * One of our backends' operations.
     *
     * @param separate whether what the kind fuses is done in passes of its own, before and after batch normalization
     */
    record Ours(
            Operation operation,
            BenchShape shape,
            Kind kind,
            boolean separate,
            MeasuredBackend backend,
            String memory,
            int threads)
            implements Task {
        @Override
        public String toString() {
            return operation + " " + shape + " " + kind + (separate ? " separate " : " ") + backend.name() + " "
                    + memory + (backend.onDevice() ? " on " + backend.device() : ", " + threads + " threads");
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
    record OfPeer(String peer, Operation operation, BenchShape shape, Fusion fusion, int threads) implements Task {
        @Override
        public String toString() {
            return operation + " " + shape + (fusion == Fusion.NONE ? " " : " " + fusion + " ") + peer + ", " + threads
                    + " threads";
        }
    }
}

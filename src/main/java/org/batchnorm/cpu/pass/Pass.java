package org.batchnorm.cpu.pass;

import org.batchnorm.cpu.cut.Cut;
import org.batchnorm.cpu.operation.Operation;

/** One pass of the operation that it has taken last. Used again, so that an operation allocates nothing. */
abstract class Pass implements WorkerPool.Task {
    final Scratch scratch;
    Operation operation;
    Cut cut = Cut.NONE;

    Pass(Scratch scratch, Operation first) {
        this.scratch = scratch;
        this.operation = first;
    }

    /** Takes an operation. */
    final void take(Operation newOperation, Cut newCut) {
        operation = newOperation;
        cut = newCut;
    }
}

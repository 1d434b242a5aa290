package org.batchnorm.cpu;

import java.util.ArrayDeque;

/**
 * The executions that nobody uses just now, shared by all layers; as many as there were ever operations under way at
 * once.
 */
final class Executions {
    private static final ArrayDeque<Execution> IDLE = new ArrayDeque<>();

    private Executions() {}

    /** One for the caller alone, until it is given back. */
    static Execution take() {
        synchronized (IDLE) {
            Execution idle = IDLE.pollLast();
            return idle == null ? new Execution() : idle;
        }
    }

    /** Gives one back. */
    static void giveBack(Execution execution) {
        execution.end();
        synchronized (IDLE) {
            IDLE.addLast(execution);
        }
    }
}

package org.batchnorm.cpu.pass;

import java.util.ArrayDeque;

/**
 * The pipelines that nobody uses just now, shared by all layers; as many as there were ever operations under way at
 * once.
 */
public final class Pipelines {
    private static final ArrayDeque<Pipeline> IDLE = new ArrayDeque<>();

    private Pipelines() {}

    /** One for the caller alone, until it is given back. */
    public static Pipeline take() {
        synchronized (IDLE) {
            Pipeline idle = IDLE.pollLast();
            return idle == null ? new Pipeline() : idle;
        }
    }

    /** Gives one back. */
    public static void giveBack(Pipeline pipeline) {
        synchronized (IDLE) {
            IDLE.addLast(pipeline);
        }
    }
}

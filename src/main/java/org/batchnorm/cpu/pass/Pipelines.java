package org.batchnorm.cpu.pass;

import java.lang.ref.WeakReference;
import java.util.ArrayDeque;

/**
 * The pipelines that nobody uses just now, shared by all layers; as many as there were ever operations under way at
 * once. They go with the last layer that holds them: with it the scratch of the largest batch goes.
 */
public final class Pipelines {
    private static WeakReference<Pipelines> shared = new WeakReference<>(null);

    private final ArrayDeque<Pipeline> idle = new ArrayDeque<>();

    private Pipelines() {}

    /** Those of this process, for a layer to hold until it is closed. */
    public static synchronized Pipelines shared() {
        Pipelines held = shared.get();
        if (held == null) {
            held = new Pipelines();
            shared = new WeakReference<>(held);
        }
        return held;
    }

    /** One for the caller alone, until it is given back. */
    public Pipeline take() {
        synchronized (idle) {
            Pipeline last = idle.pollLast();
            return last == null ? new Pipeline() : last;
        }
    }

    /** Gives one back. */
    public void giveBack(Pipeline pipeline) {
        synchronized (idle) {
            idle.addLast(pipeline);
        }
    }
}

package org.batchnorm;

import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.Supplier;

/** Lets one thread at a time change a layer, and refuses a second one. */
final class OneThread {
    private final BatchNormFunction function;
    private final AtomicBoolean busy = new AtomicBoolean();

    /** Guards the layer that works with {@code function}; once that is closed nobody is let in. */
    OneThread(BatchNormFunction function) {
        this.function = function;
    }

    /** Makes a change that {@code what} calls by its name. */
    void change(String what, Runnable change) {
        enter(what);
        try {
            change.run();
        } finally {
            leave();
        }
    }

    /** Makes a change that {@code what} calls by its name and that has a result. */
    <T> T changeFor(String what, Supplier<T> change) {
        enter(what);
        try {
            return change.get();
        } finally {
            leave();
        }
    }

    /** Begins a change; {@link #leave()} ends it. */
    void enter(String what) {
        if (!busy.compareAndSet(false, true)) {
            throw new IllegalStateException(what
                    + ": the layer is in use by another thread; training, backward and changes of a layer belong to one thread at a time"
                    + " (inference may run in several)");
        }
        if (function.isClosed()) {
            leave();
            function.requireOpen();
        }
    }

    void leave() {
        busy.set(false);
    }
}

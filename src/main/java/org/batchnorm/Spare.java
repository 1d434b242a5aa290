package org.batchnorm;

import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/** Keeps what one call needed for the next one, so that a call allocates nothing. */
final class Spare<T> {
    private final Supplier<T> maker;
    private final AtomicReference<@Nullable T> idle = new AtomicReference<>();

    Spare(Supplier<T> maker) {
        this.maker = maker;
    }

    /** One for the caller alone, until it is given back. */
    T take() {
        T kept = idle.getAndSet(null);
        return kept != null ? kept : maker.get();
    }

    /** Keeps this one; one that was kept before is forgotten. */
    void giveBack(T taken) {
        idle.set(taken);
    }
}

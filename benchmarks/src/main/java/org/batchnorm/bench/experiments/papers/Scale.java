package org.batchnorm.bench.experiments.papers;

import java.util.Locale;

/** How much of an experiment is run. */
public enum Scale {
    /** What the stored pages show: minutes. */
    FULL,
    /** Within a minute. */
    QUICK,
    /** Two or three seconds, for tests. */
    BRIEF;

    /** The value for this scale. */
    int of(int full, int quick, int brief) {
        return switch (this) {
            case FULL -> full;
            case QUICK -> quick;
            case BRIEF -> brief;
        };
    }

    /** As users write it. */
    @Override
    public String toString() {
        return name().toLowerCase(Locale.ROOT);
    }
}

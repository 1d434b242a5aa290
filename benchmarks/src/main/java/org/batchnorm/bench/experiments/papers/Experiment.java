package org.batchnorm.bench.experiments.papers;

import java.util.List;

/**
 * A claim about batch normalization that can be looked at: what to run, what to record of it, and what to say of the
 * numbers.
 */
public interface Experiment {

    /** As users call it: small letters and hyphens. */
    String name();

    /** What the experiment asks, in one line. */
    String question();

    /** Whether it also trains wholly on a device, where the setting has one. */
    default boolean trainsOnDevice() {
        return false;
    }

    /** What is compared. A run is one variant with one seed, independent of all others. */
    List<String> variants(Setting setting);

    /** How much work a run of a variant is, in the unit in which {@link Trial#worked} counts. */
    long work(Setting setting, String variant);

    /** Runs one variant with one seed and records at least one number, the same ones each time. */
    void run(Trial trial);

    /** Fills the page: protocol, claims, tables, charts. There may be fewer seeds in the table than were asked for. */
    void describe(Setting setting, Table table, Page page);
}

package org.batchnorm.bench.experiments.papers;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.function.LongConsumer;
import java.util.random.RandomGenerator;

/** One run of an experiment: a variant with a seed, and what was recorded of it. */
final class Trial {
    private static final long ORDER = 0x9E3779B97F4A7C15L;

    private final Setting setting;
    private final String variant;
    private final long seed;
    private final LongConsumer progress;
    private final List<Table.Row> rows = new ArrayList<>();
    private final List<Table.Row> times = new ArrayList<>();
    private long worked;

    /**
     * A run that is about to start.
     *
     * @param progress told of the work done in this run so far
     */
    Trial(Setting setting, String variant, long seed, LongConsumer progress) {
        this.setting = setting;
        this.variant = variant;
        this.seed = seed;
        this.progress = progress;
    }

    Setting setting() {
        return setting;
    }

    String variant() {
        return variant;
    }

    /** Where initial weights come from: the same for all variants of a seed. */
    RandomGenerator weights() {
        return new SplittableRandom(seed);
    }

    /** Of the order of the images and of noise: the same for all variants of a seed. */
    long orderSeed() {
        return seed ^ ORDER;
    }

    /** Records a number that is the same whenever and wherever the run is repeated. */
    void record(String quantity, double x, double value) {
        rows.add(new Table.Row(quantity, variant, x, seed, value));
    }

    /** Records a time, which belongs to this machine and this hour. */
    void recordTime(String quantity, double x, double value) {
        times.add(new Table.Row(quantity, variant, x, seed, value));
    }

    /** Some work is done. */
    void worked(long amount) {
        worked += amount;
        progress.accept(worked);
    }

    List<Table.Row> rows() {
        return rows;
    }

    List<Table.Row> times() {
        return times;
    }
}

package org.batchnorm;

import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.Moments;

/**
 * The mean and variance of each feature over a whole data set, for inference in place of running averages. They are
 * gathered batch by batch after training, while the network runs with the statistics of each batch:
 *
 * <pre>{@code
 * PopulationStatistics population = new PopulationStatistics(layer.config().features());
 * for (Batch x : trainingSet) {
 *     layer.forward(x, y, saved);
 *     population.add(saved);
 * }
 * layer.setRunningStatistics(population.exact());
 * }</pre>
 *
 * <p>It keeps the sums of two estimates. {@link #exact()} is the mean and unbiased variance of all values. With
 * {@link #algorithm2()} each batch counts the same, as in the paper. Sums are in double precision. Several of them,
 * gathered by threads or processes, are merged by {@link #add(PopulationStatistics)}; the order decides the last bits.
 * One is for one thread at a time.
 *
 * <p>Source: Ioffe &amp; Szegedy 2015, algorithm 2.
 */
public final class PopulationStatistics {
    /** What comes before the arrays that travel: the counts, and whether there was a batch of one value. */
    private static final int HEADER = 3;

    private static final int ARRAYS = 5;

    private final Moments all;
    private final Moments ofBatch;
    private final double[] means;
    private final double[] variances;
    private long batches;
    private boolean hasSingleValues;

    /**
     * Those of no batch.
     *
     * @param features C, ≥ 1
     * @throws IllegalArgumentException if {@code features} is less than 1
     */
    public PopulationStatistics(int features) {
        BatchNormConfig.requireFeatures(features);
        all = new Moments(features);
        ofBatch = new Moments(features);
        means = new double[features];
        variances = new double[features];
    }

    /**
     * An estimate of the population's mean and variance.
     *
     * @param mean (C)
     * @param variance (C), unbiased
     * @param batches those that it was made of
     */
    @SuppressWarnings("ArrayRecordComponent") // nobody compares them
    public record Estimate(double[] mean, double[] variance, long batches) {
        /** Checks the lengths and the count. */
        public Estimate {
            Arguments.requireGiven("mean", mean, "a double[]");
            Arguments.requireGiven("variance", variance, "a double[]");
            if (variance.length != mean.length) {
                throw new IllegalArgumentException("variance: double[" + variance.length
                        + "] given, must have one value for each of the " + mean.length + " means");
            }
            if (batches < 1) {
                throw new IllegalArgumentException("batches: " + batches + " given, must be at least 1");
            }
        }
    }

    /** C. */
    public int features() {
        return means.length;
    }

    /** The batches that were added. */
    public long batches() {
        return batches;
    }

    /** The values of each feature that were added. */
    public long count() {
        return all.count();
    }

    /**
     * Adds the batch that a forward has normalized with its own statistics.
     *
     * @param saved filled by that forward; it stays so. But for a layer of FLOAT64 its variance is rounded to float32,
     *     its mean is not; {@link #add(Moments)} takes both in double. With statistics of several ranks they are those
     *     of all ranks' values: one rank's population has them all. Each ghost batch is a batch
     * @throws IllegalArgumentException if they are of another number of features
     * @throws IllegalStateException if they are not those of a batch, or its backward has emptied them
     */
    public void add(SavedStatistics saved) {
        Arguments.requireGiven("saved", saved, "a SavedStatistics");
        requireFeatures("saved", saved.features());
        saved.requireOfBatch();
        for (BatchStatistics statistics : saved.ofEach()) {
            statistics.copyTo(ofBatch);
            add(ofBatch);
        }
    }

    /**
     * Adds a batch of which the moments are known, as
     * {@link BatchNormFunction#collectStatistics(org.batchnorm.data.Batch, Moments)} makes them. A batch without values
     * is none.
     *
     * @throws IllegalArgumentException if they are of another number of features
     */
    public void add(Moments batch) {
        Arguments.requireGiven("batch", batch, "Moments");
        requireFeatures("batch", batch.mean().length);
        if (batch.count() == 0) {
            return;
        }
        all.add(batch);
        batches++;
        hasSingleValues |= batch.count() == 1;
        for (int c = 0; c < means.length; c++) {
            means[c] += batch.mean()[c];
            variances[c] += batch.count() == 1 ? 0 : batch.m2()[c] / (batch.count() - 1);
        }
    }

    /**
     * Adds all batches of another, which stays as it is.
     *
     * @throws IllegalArgumentException if it is of another number of features, or this one
     */
    @SuppressWarnings("ReferenceEquality") // the very object
    public void add(PopulationStatistics other) {
        Arguments.requireGiven("other", other, "PopulationStatistics");
        requireFeatures("other", other.features());
        if (other == this) {
            throw new IllegalArgumentException("other: these statistics themselves given, must be others");
        }
        all.add(other.all);
        batches += other.batches;
        hasSingleValues |= other.hasSingleValues;
        for (int c = 0; c < means.length; c++) {
            means[c] += other.means[c];
            variances[c] += other.variances[c];
        }
    }

    /**
     * The statistics of all n values that were added: the mean, and the variance with divisor n − 1.
     *
     * @throws IllegalStateException if there are fewer than 2 values per feature
     */
    public Estimate exact() {
        if (count() < 2) {
            throw new IllegalStateException(
                    "exact: expected more than 1 value per feature, " + count() + " added; add batches first");
        }
        double[] variance = all.m2().clone();
        for (int c = 0; c < variance.length; c++) {
            variance[c] /= count() - 1;
        }
        return new Estimate(all.mean().clone(), variance, batches);
    }

    /**
     * The averages over the batches, {@code E[x] = E_B[μ_B]} and {@code Var[x] = E_B[m/(m − 1) · σ_B²]}, with the m of
     * each. A last, smaller batch counts as much as any other.
     *
     * @throws IllegalStateException if no batch was added, or one of a single value per feature
     */
    public Estimate algorithm2() {
        if (batches == 0 || hasSingleValues) {
            throw new IllegalStateException("algorithm2: expected batches of more than 1 value per feature, "
                    + (batches == 0 ? "none added" : "one of 1 value was added; leave it out, or take exact()"));
        }
        double[] mean = means.clone();
        double[] variance = variances.clone();
        for (int c = 0; c < mean.length; c++) {
            mean[c] /= batches;
            variance[c] /= batches;
        }
        return new Estimate(mean, variance, batches);
    }

    /**
     * All sums, for another process, where they are what they are here, to the last bit: {@code count, batches, 1 if
     * there was a batch of one value, mean (C), what rounding took from the mean (C), m2 (C), Σ μ_B (C), Σ m/(m − 1) ·
     * σ_B² (C)}. Counts beyond 2⁵³ are rounded.
     */
    public double[] toArray() {
        int c = features();
        double[] array = new double[HEADER + ARRAYS * c];
        array[0] = count();
        array[1] = batches;
        array[2] = hasSingleValues ? 1 : 0;
        for (int i = 0; i < ARRAYS; i++) {
            System.arraycopy(values(i), 0, array, HEADER + i * c, c);
        }
        return array;
    }

    /** One of the arrays that travel, in their order. */
    private double[] values(int i) {
        return switch (i) {
            case 0 -> all.mean();
            case 1 -> all.meanLow();
            case 2 -> all.m2();
            case 3 -> means;
            default -> variances;
        };
    }

    /**
     * Those that {@link #toArray()} has written.
     *
     * @throws IllegalArgumentException if the array's length is none that it writes
     */
    public static PopulationStatistics ofArray(double[] array) {
        Arguments.requireGiven("array", array, "what toArray() has written");
        int c = (array.length - HEADER) / ARRAYS;
        if (c < 1 || array.length != HEADER + ARRAYS * c) {
            throw new IllegalArgumentException("array: double[" + array.length + "] given, must have " + HEADER
                    + " values and " + ARRAYS + " for each feature, as toArray() writes them");
        }
        if (!(array[0] >= 0 && array[1] >= 0)) {
            throw new IllegalArgumentException("array: count " + array[0] + " and batches " + array[1]
                    + " given, must not be negative, as toArray() writes them");
        }
        PopulationStatistics read = new PopulationStatistics(c);
        read.all.count((long) array[0]);
        read.batches = (long) array[1];
        read.hasSingleValues = array[2] != 0;
        for (int i = 0; i < ARRAYS; i++) {
            System.arraycopy(array, HEADER + i * c, read.values(i), 0, c);
        }
        return read;
    }

    private void requireFeatures(String argument, int features) {
        if (features != features()) {
            throw new IllegalArgumentException(argument + ": statistics of " + features
                    + " features given, must have the " + features() + " of these");
        }
    }
}

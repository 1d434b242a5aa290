package org.batchnorm.cpu.kernel;

import java.util.Arrays;

/**
 * The suspect features of an operation, and their sums in double precision. Suspect are those whose float32 sums are
 * not to be relied on. They are reduced once more, in double precision, which finite float32 values do not overflow.
 * Blocks that share features have sums each, which are added up in the order of the blocks: so they are the same bits
 * whatever the number of threads.
 *
 * <p>Several threads may work with one of these, each on features of its own. Of ordinary data no feature is suspect,
 * so there are no arrays before one is.
 */
public final class Suspects {
    private volatile boolean[] suspect = {};
    private double[] centre = {};
    private DoubleSums[] ofPartials = {};
    private int features;
    private volatile boolean any;

    /** No suspects. */
    public Suspects() {}

    /** Takes an operation on so many features, of which none is suspect. */
    public void begin(int newFeatures) {
        features = newFeatures;
    }

    /** Has a feature reduced, once more or for the second time, with {@code near} subtracted from x. */
    public void add(int feature, double near) {
        if (suspect.length < features) {
            reserve();
        }
        suspect[feature] = true;
        centre[feature] = near;
        if (!any) {
            any = true;
        }
    }

    private synchronized void reserve() {
        if (suspect.length < features) {
            centre = new double[features];
            suspect = new boolean[features];
        }
    }

    /** Notes that the results of a feature stand. */
    public void settle(int feature) {
        suspect[feature] = false;
    }

    /** Whether a feature is suspect; only to be asked where {@link #areAny} are. */
    public boolean isSuspect(int feature) {
        return suspect[feature];
    }

    /** Whether one of the features {@code from} to {@code to} is. */
    public boolean areAny(int from, int to) {
        boolean found = false;
        for (int i = any ? from : to; i < to && !found; i++) {
            found = suspect[i];
        }
        return found;
    }

    /** What is subtracted from x of a suspect feature: a value near its mean, or 0 where none is known. */
    public double centre(int feature) {
        return centre[feature];
    }

    /** Makes room for so many partial sums. */
    public synchronized void reserveSums(int partials) {
        int have = ofPartials.length;
        if (have < partials) {
            ofPartials = Arrays.copyOf(ofPartials, partials);
            Arrays.setAll(ofPartials, i -> i < have ? ofPartials[i] : new DoubleSums());
        }
        for (int i = 0; i < partials; i++) {
            ofPartials[i].reserve(features);
        }
    }

    /** A partial sum. */
    public DoubleSums ofPartial(int partial) {
        return ofPartials[partial];
    }

    /** Adds up the features {@code from} to {@code to} of so many partial sums, into the first of them. */
    public void addUp(int partials, int from, int to) {
        for (int p = 1; p < partials; p++) {
            ofPartials[0].add(ofPartials[p], from, to);
        }
    }

    /** The sums that were added up. */
    public DoubleSums total() {
        return ofPartials[0];
    }

    /** Settles all features. */
    public void clear() {
        if (any) {
            Arrays.fill(suspect, false);
            any = false;
        }
    }
}

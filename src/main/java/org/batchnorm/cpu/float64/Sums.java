package org.batchnorm.cpu.float64;

import java.util.Arrays;
import org.batchnorm.cpu.cut.Cut;

/** The compensated sums of each feature, one for each part of the values that a block may take. */
final class Sums {
    private double[][] high = {};
    private double[][] low = {};
    private int partials;

    /** Makes room for a batch; the contents are lost. */
    void reserve(Cut cut) {
        partials = cut.partials();
        if (high.length < partials || (partials > 0 && high[0].length < cut.features)) {
            high = new double[partials][cut.features];
            low = new double[partials][cut.features];
        }
    }

    void clear(int partial, int from, int to) {
        Arrays.fill(high[partial], from, to, 0);
        Arrays.fill(low[partial], from, to, 0);
    }

    /** Adds the sums of lanes to those of their features. */
    void add(int partial, Lanes lanes) {
        if (lanes.areOfOneFeature()) {
            lanes.addUp();
            Pair.add(high[partial], low[partial], lanes.feature(0), lanes.high[0], lanes.low[0]);
            return;
        }
        for (int j = 0; j < lanes.length; j++) {
            Pair.add(high[partial], low[partial], lanes.feature(j), lanes.high[j], lanes.low[j]);
        }
    }

    /** The sum of all parts, in their order. */
    Pair total(int feature, Pair into) {
        for (int p = 1; p < partials; p++) {
            Pair.add(high[0], low[0], feature, high[p][feature], low[p][feature]);
        }
        return into.set(high[0][feature], low[0][feature]);
    }
}

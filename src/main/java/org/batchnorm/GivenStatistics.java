package org.batchnorm;

import org.batchnorm.data.FeatureValues;
import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.Normalization;
import org.jspecify.annotations.Nullable;

/** How to normalize with given statistics; the last normalization serves again while the arrays are the same. */
final class GivenStatistics {
    private final double eps;
    private volatile @Nullable Kept last;

    /** The views of a mean and a variance; those of the next call are most often the same. */
    private volatile @Nullable FeatureValues newestView;

    private volatile @Nullable FeatureValues olderView;

    private record Kept(Parameters parameters, Normalization normalization) {}

    GivenStatistics(double eps) {
        this.eps = eps;
    }

    /** A view of an array, which must not be null. */
    FeatureValues view(String name, float[] array) {
        Arguments.requireGiven(name, array, "a float[]");
        FeatureValues kept = kept(array);
        return kept != null ? kept : keep(FeatureValues.of(array));
    }

    /** A view of an array, which must not be null. */
    FeatureValues view(String name, double[] array) {
        Arguments.requireGiven(name, array, "a double[]");
        FeatureValues kept = kept(array);
        return kept != null ? kept : keep(FeatureValues.of(array));
    }

    private @Nullable FeatureValues kept(Object array) {
        FeatureValues one = newestView;
        FeatureValues other = olderView;
        return one != null && one.isOf(array) ? one : other != null && other.isOf(array) ? other : null;
    }

    private FeatureValues keep(FeatureValues view) {
        olderView = newestView;
        newestView = view;
        return view;
    }

    Normalization normalization(Parameters parameters, FeatureValues mean, FeatureValues variance) {
        Kept kept = last;
        if (kept == null
                || !areSame(kept.parameters, parameters)
                || !kept.normalization.statistics().areOver(mean, variance)) {
            BatchStatistics statistics = BatchStatistics.over(mean, variance);
            kept = new Kept(parameters, Normalization.of(parameters.gamma, parameters.beta, eps, statistics, false));
            last = kept;
        }
        return kept.normalization;
    }

    /** Whether γ and β are the very arrays. */
    static boolean areSame(Parameters some, Parameters others) {
        return areSame(some.gamma, others.gamma) && areSame(some.beta, others.beta);
    }

    private static boolean areSame(@Nullable FeatureValues some, @Nullable FeatureValues others) {
        return (some == null || others == null) ? some == others : some.isSameArray(others);
    }
}

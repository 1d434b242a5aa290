package org.batchnorm.tornadovm.kernels;

import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;
import uk.ac.manchester.tornado.api.types.arrays.LongArray;

/**
 * Second stage of the statistics: the work-groups' results become the batch's statistics, and the running statistics
 * follow.
 */
public final class MergeStatistics {

    /** {@code tracking}: there are no running statistics. */
    public static final int UNTRACKED = 0;

    /** {@code tracking}: {@code running = (1 − momentum) · running + momentum · batch}. */
    public static final int EXPONENTIAL = 1;

    /** {@code tracking}: the same with momentum = 1 / numBatchesTracked. */
    public static final int CUMULATIVE = 2;

    /** {@code tracking}: the moments are what is wanted; statistics of any kind stay as they are. */
    public static final int MOMENTS = 3;

    private MergeStatistics() {}

    /**
     * Per feature over all groups, with m = Σn_g and all in float64:
     *
     * <ul>
     *   <li>{@code mean = Σ n_g·mean_g / m};
     *   <li>{@code M2 = Σ (M2_g + n_g·(mean_g − mean)²)} (Chan, Golub &amp; LeVeque 1983, equation 2.1, moved to the
     *       first group's mean);
     *   <li>{@code var = M2 / m} and {@code rstd = 1 / sqrt(var + eps)};
     *   <li>{@code running = (1 − momentum) · running + momentum · batch}, where the batch's variance is M2 / (m − 1).
     * </ul>
     *
     * <p><b>Grid</b> (⌈C / tileColumns⌉ · tileColumns · tileRows), <b>local</b> (tileColumns · tileRows). <b>Bytes</b>:
     * partial results read once, 16 · groups · C, and 8 a work-item for the reference; 16 · C written, with running
     * statistics 16 · C read and written and the count 16 · C. <b>Local memory</b>: 16 bytes a work-item.
     *
     * @param partialMean in, (groups, C)
     * @param partialM2 in, (groups, C)
     * @param moments out, (2, C) and one more: mean, M2, and m; written for {@link #MOMENTS} only
     * @param statistics out, (4, C): mean, meanLow, variance, rstd
     * @param runningStatistics in and out, (2, C): mean, variance; untouched if untracked
     * @param numBatchesTracked in and out, (C): one count per feature, all the same, so that no work-group reads what
     *     another one writes; untouched if untracked
     * @param samples in and out, (2): N, {@link Tiles#countRun}
     * @param tile of {@link CollectStatistics}
     * @param mergeTile its columns are features, and its rows work-items that share a feature's groups
     * @param tracking {@link #UNTRACKED}, {@link #EXPONENTIAL}, {@link #CUMULATIVE} or {@link #MOMENTS}
     */
    public static void mergeStatistics(
            KernelContext context,
            DoubleArray partialMean,
            DoubleArray partialM2,
            DoubleArray moments,
            FloatArray statistics,
            FloatArray runningStatistics,
            LongArray numBatchesTracked,
            IntArray samples,
            long view,
            long tile,
            long mergeTile,
            double eps,
            double momentum,
            int tracking) {
        int features = View.features(view);
        int span = View.span(view);
        int groups = Tile.groups(tile);
        int tileColumns = Tile.columns(mergeTile);
        int tileRows = Tile.rows(mergeTile);
        int lane = context.localIdx;
        int laneRow = lane / tileColumns;
        int feature = context.groupIdx * tileColumns + lane % tileColumns;
        int rows = samples.get(0) * View.rowsPerSample(view);
        int share = Tiles.rowsPerGroup(rows, tile);

        double[] sums = context.allocateDoubleLocalArray(tileColumns * tileRows);
        double[] squares = context.allocateDoubleLocalArray(tileColumns * tileRows);

        double reference = 0;
        double sum = 0;
        double square = 0;
        if (feature < features) {
            reference = Tiles.finiteOrZero(partialMean.get(feature));
            for (int group = laneRow; group < groups; group += tileRows) {
                double n = TornadoMath.max(TornadoMath.min(rows - group * share, share), 0) * span;
                double beyond = partialMean.get(group * features + feature) - reference;
                sum += n * beyond;
                square += partialM2.get(group * features + feature) + n * beyond * beyond;
            }
        }
        sums[lane] = sum;
        squares[lane] = square;
        for (int active = tileRows; active > 1; active = (active + 1) / 2) {
            int half = (active + 1) / 2;
            context.localBarrier();
            if (laneRow < active - half) {
                sums[lane] += sums[lane + half * tileColumns];
                squares[lane] += squares[lane + half * tileColumns];
            }
        }

        if (laneRow == 0 && feature < features) {
            double m = (double) rows * span;
            double beyond = sums[lane] / m;
            double mean = reference + beyond;
            double m2 = squares[lane] - sums[lane] * beyond;
            if (tracking == MOMENTS) {
                moments.set(feature, m > 0 ? mean : 0);
                moments.set(features + feature, m > 0 ? m2 : 0);
                if (feature == 0) {
                    moments.set(2 * features, m);
                }
            } else {
                PerFeature.store(
                        statistics,
                        runningStatistics,
                        numBatchesTracked,
                        feature,
                        features,
                        mean,
                        m2,
                        m,
                        eps,
                        momentum,
                        tracking);
            }
        }
        Tiles.countRun(context, samples);
    }
}

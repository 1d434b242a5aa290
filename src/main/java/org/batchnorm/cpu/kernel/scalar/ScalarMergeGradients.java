package org.batchnorm.cpu.kernel.scalar;

import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.MergeGradients;
import org.batchnorm.cpu.kernel.PerFeature;
import org.batchnorm.cpu.kernel.Sums;
import org.batchnorm.cpu.kernel.Wide;
import org.batchnorm.spi.Moments;

/** {@link MergeGradients} in plain loops. */
public final class ScalarMergeGradients implements MergeGradients {
    /** The merge, which has no state of its own. */
    public ScalarMergeGradients() {}

    @Override
    public boolean merge(Sums sums, PerFeature f, Coefficients c, int from, int to) {
        addShift(sums.sum, c.dyShift, (double) f.count, f.gradients.dbeta(), from, to);
        correct(sums, f, c.shift, from, to);
        Moments part = f.statistics.part();
        if (part != null) {
            addShiftOfPart(f, part, c.dyShift, from, to);
        }
        coefficients(f, c, from, to);
        // Through statistics, the look at what is wide finds what is not finite, too.
        return Wide.isNone(f, c, f.throughStatistics, from, to)
                && (f.throughStatistics
                        || (areFinite(f.gradients.dbeta(), from, to) && areFinite(f.gradients.dgamma(), from, to)));
    }

    /** From the gradients of the parameters to the coefficients of the input's. */
    public static void coefficients(PerFeature f, Coefficients c, int from, int to) {
        if (!f.throughStatistics) {
            TransformCoefficients.ofFrozen(f, c, from, to);
            return;
        }
        double[] dbeta = f.gradients.dbeta();
        float[] meanLow = f.statistics.meanLow();
        float[] rstd = f.statistics.rstd();
        double perValue = 1.0 / f.count;
        System.arraycopy(f.statistics.mean(), from, c.centre, from, to - from);
        TransformCoefficients.multiply(f.gamma, f.ofForward.rstd(), c.scale, from, to);
        centres(dbeta, perValue, c.dyCentre, c.offset, from, to);
        slopes(f.gradients.dgamma(), rstd, -perValue, c.slope, from, to);
        offsets(c, meanLow, from, to);
    }

    // One simple loop for each step: so the compiler makes vector code of them.

    /** Whether no value is infinite or NaN in float32. */
    private static boolean areFinite(double[] values, int from, int to) {
        float largest = 0;
        for (int c = from; c < to; c++) {
            largest = Math.max(largest, Math.abs((float) values[c]));
        }
        return largest < Float.POSITIVE_INFINITY;
    }

    private static void addShift(double[] sum, float[] dyShift, double count, double[] dbeta, int from, int to) {
        for (int c = from; c < to; c++) {
            dbeta[c] = sum[c] + dyShift[c] * count;
        }
    }

    /** dgamma: the products about the shift, corrected for its distance from the mean, times rstd. */
    private static void correct(Sums sums, PerFeature f, float[] shift, int from, int to) {
        double[] sum = sums.sum;
        double[] product = sums.product;
        double[] dgamma = f.gradients.dgamma();
        float[] mean = f.statistics.mean();
        float[] meanLow = f.statistics.meanLow();
        float[] rstd = f.statistics.rstd();
        for (int c = from; c < to; c++) {
            double distance = ((double) mean[c] - shift[c]) + meanLow[c];
            dgamma[c] = (product[c] - distance * sum[c]) * rstd[c];
        }
    }

    /** What the shift of dy has in dgamma where the distances from the mean of all do not add up to 0. */
    private static void addShiftOfPart(PerFeature f, Moments part, float[] dyShift, int from, int to) {
        double[] dgamma = f.gradients.dgamma();
        float[] rstd = f.statistics.rstd();
        for (int c = from; c < to; c++) {
            double apart = f.statistics.distance(part.mean()[c], part.meanLow()[c], c);
            dgamma[c] += dyShift[c] * (double) f.count * apart * rstd[c];
        }
    }

    private static void slopes(double[] dgamma, float[] rstd, double factor, float[] slope, int from, int to) {
        for (int c = from; c < to; c++) {
            slope[c] = (float) (dgamma[c] * (rstd[c] * factor));
        }
    }

    private static void centres(double[] dbeta, double perValue, float[] dyCentre, float[] lost, int from, int to) {
        for (int c = from; c < to; c++) {
            double dyMean = dbeta[c] * perValue;
            float centre = (float) dyMean;
            dyCentre[c] = centre;
            lost[c] = (float) (centre - dyMean);
        }
    }

    private static void offsets(Coefficients coefficients, float[] meanLow, int from, int to) {
        float[] slope = coefficients.slope;
        float[] scale = coefficients.scale;
        float[] offset = coefficients.offset;
        for (int c = from; c < to; c++) {
            offset[c] = (offset[c] - slope[c] * meanLow[c]) * scale[c];
        }
    }
}

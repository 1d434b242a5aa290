package org.batchnorm.cpu;

import org.batchnorm.spi.BatchStatistics;

/** {@link MergeGradients} in plain loops. */
final class ScalarMergeGradients implements MergeGradients {
    @Override
    public void run(
            double perValue,
            double[] sum,
            double[] product,
            float[] gamma,
            BatchStatistics statistics,
            float[] dgamma,
            float[] dbeta,
            Coefficients coefficients,
            int from,
            int to) {
        float[] meanLow = statistics.meanLow();
        float[] rstd = statistics.rstd();
        round(sum, dbeta, from, to);
        boolean finite = areFinite(dbeta, from, to);
        if (finite) {
            correct(sum, product, meanLow, rstd, from, to);
        } else {
            for (int c = from; c < to; c++) {
                // A correction for rounding has nothing to correct in an infinity, and would make NaN of it.
                double correction = Double.isFinite(sum[c]) ? meanLow[c] * sum[c] : 0;
                product[c] = (product[c] - correction) * rstd[c];
            }
        }
        round(product, dgamma, from, to);
        coefficients.scale(gamma, rstd, from, to);
        slopes(product, rstd, -perValue, coefficients.slope, from, to);
        centres(sum, perValue, coefficients.dyCentre, coefficients.offset, from, to);
        offsets(coefficients.slope, meanLow, coefficients.scale, coefficients.offset, from, to);
        if (!finite) {
            for (int c = from; c < to; c++) {
                if (!Double.isFinite(sum[c])) {
                    // An infinity less itself would make NaN of what is infinite.
                    coefficients.offset[c] = 0;
                }
            }
        }
    }

    // One simple loop for each step: so the compiler makes vector code of them.

    private static void round(double[] values, float[] rounded, int from, int to) {
        for (int c = from; c < to; c++) {
            rounded[c] = (float) values[c];
        }
    }

    /** Whether no value is infinite or NaN. */
    private static boolean areFinite(float[] values, int from, int to) {
        float largest = 0;
        for (int c = from; c < to; c++) {
            largest = Math.max(largest, Math.abs(values[c]));
        }
        return largest < Float.POSITIVE_INFINITY;
    }

    private static void correct(double[] dbeta, double[] dgamma, float[] meanLow, float[] rstd, int from, int to) {
        for (int c = from; c < to; c++) {
            dgamma[c] = (dgamma[c] - meanLow[c] * dbeta[c]) * rstd[c];
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

    private static void offsets(float[] slope, float[] meanLow, float[] scale, float[] offset, int from, int to) {
        for (int c = from; c < to; c++) {
            offset[c] = (offset[c] - slope[c] * meanLow[c]) * scale[c];
        }
    }
}

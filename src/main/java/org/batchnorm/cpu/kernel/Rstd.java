package org.batchnorm.cpu.kernel;

/** The reciprocal standard deviation, {@code rstd = 1 / sqrt(variance + eps)}, of features. */
public final class Rstd {
    private Rstd() {}

    /**
     * Computes it in float32, so that the compiler makes vector code of the loop: at most 1.25 roundings away from the
     * exact value. Where the variance is negative, as a given one may be, or is tiny together with eps, it is computed
     * again in double precision.
     */
    public static void of(float[] variance, double eps, float[] rstd, int from, int to) {
        float added = (float) eps;
        float least = Float.MAX_VALUE;
        for (int c = from; c < to; c++) {
            rstd[c] = 1 / (float) Math.sqrt(variance[c] + added);
            least = Math.min(least, variance[c]);
        }
        if (!(least + added >= Suspect.TINY && least >= 0)) {
            for (int c = from; c < to; c++) {
                if (!(variance[c] + added >= Suspect.TINY && variance[c] >= 0)) {
                    rstd[c] = (float) (1 / Math.sqrt(variance[c] + eps));
                }
            }
        }
    }
}

package org.batchnorm.cpu;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;

/**
 * Backward through the statistics of a batch with two values per feature, in closed form and double precision.
 *
 * <p>Two values determine their mean and variance, so that the gradient through the statistics would be zero but for
 * eps. The general formula finds that remainder as the difference of nearly equal numbers and loses all of its digits
 * in float32. With {@code d = (x₁ − x₂) / 2}, {@code rstd = 1 / sqrt(d² + eps)} and {@code 1 − d² · rstd² = eps ·
 * rstd²} it is
 *
 * <pre>
 * {@code dx₁ = −dx₂ = gamma · eps · rstd³ · (dy₁ − dy₂) / 2,   dgamma = (dy₁ − dy₂) · d · rstd,   dbeta = dy₁ + dy₂}
 * </pre>
 *
 * <p>O(C) values: nothing for several threads.
 */
final class TwoValues {
    private TwoValues() {}

    /** Writes dx and the sums. */
    static void backward(Tensors tensors, Normalization normalization, GradientSums sums) {
        BatchShape shape = tensors.shape();
        MemorySegment x = tensors.x().segment();
        MemorySegment dy = tensors.dy().segment();
        MemorySegment dx = tensors.dx().segment();
        float[] gamma = normalization.gamma();
        int features = shape.c();
        long apart = shape.featuresContiguous() ? features : 1;
        long featuresApart = shape.featuresContiguous() ? 1 : 2;
        for (int c = 0; c < features; c++) {
            long first = c * featuresApart;
            long second = first + apart;
            double halfX = ((double) get(x, first) - get(x, second)) / 2;
            double halfDy = ((double) get(dy, first) - get(dy, second)) / 2;
            double sumDy = (double) get(dy, first) + get(dy, second);
            double rstd = normalization.statistics().rstd()[c];
            double scale = gamma == null ? rstd : gamma[c] * rstd;
            // An infinite dy less its mean, which is infinite too, is no number; as in the general formula.
            double centred = Double.isFinite(halfDy) ? halfDy : Double.NaN;
            float gradient = (float) (scale * normalization.eps() * rstd * rstd * centred);
            set(dx, first, gradient);
            set(dx, second, -gradient);
            sums.dgamma()[c] = 2 * halfDy * halfX * rstd;
            sums.dbeta()[c] = sumDy;
        }
        sums.count(2);
    }

    private static float get(MemorySegment values, long index) {
        return values.getAtIndex(ValueLayout.JAVA_FLOAT, index);
    }

    private static void set(MemorySegment values, long index, float value) {
        values.setAtIndex(ValueLayout.JAVA_FLOAT, index, value);
    }
}

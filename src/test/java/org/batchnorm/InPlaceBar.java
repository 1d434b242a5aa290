package org.batchnorm;

import org.batchnorm.conformance.Reference;
import org.batchnorm.conformance.Rounded;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.Activation;

/**
 * The bar of a backward that makes x̂ of y: that of all backwards, where what is rounded on the way is x̂ with β/γ
 * beside it, as that is what y was rounded at.
 */
public final class InPlaceBar {
    private InPlaceBar() {}

    /** The same batch with the gradient before the activation that follows batch norm, in the place of dy. */
    public static Values beforeActivation(Values batch, float[] y, Activation activation) {
        float[] dz = batch.dy().clone();
        for (int i = 0; i < dz.length; i++) {
            dz[i] = activation.gradient(dz[i], y[i]);
        }
        return batch.withDy(dz);
    }

    /**
     * The exact gradients.
     *
     * @param through whether the statistics are the batch's, so that gradients flow through them
     */
    public static Reference.Gradients expected(Values batch, Reference.Statistics statistics, boolean through) {
        return Reference.backward(
                batch.shape(),
                Reference.widen(batch.x()),
                Reference.widen(batch.dy()),
                Reference.widen(batch.weight()),
                statistics.mean(),
                statistics.rstd(),
                through);
    }

    /** What is rounded on the way to them. */
    public static Reference.Gradients rounded(Values batch, Reference.Statistics statistics, boolean through) {
        BatchShape shape = batch.shape();
        double[] x = Reference.widen(batch.x());
        double[] dz = Reference.widen(batch.dy());
        double[] gamma = Reference.widen(batch.weight());
        double[] mean = statistics.mean();
        double[] rstd = statistics.rstd();
        Reference.Gradients gradients = Reference.backward(shape, x, dz, gamma, mean, rstd, through);
        Reference.Gradients rounded = Rounded.gradients(shape, x, dz, gamma, mean, rstd, through);
        double m = shape.valuesPerFeature();
        double[] squares = new double[shape.c()];
        for (int i = 0; i < dz.length; i++) {
            int c = Reference.feature(shape, i);
            double g = through ? dz[i] - gradients.dbeta()[c] / m : dz[i];
            squares[c] += g * g;
        }
        double[] ofDgamma = new double[shape.c()];
        for (int c = 0; c < shape.c(); c++) {
            ofDgamma[c] = Math.abs(batch.bias()[c] / gamma[c]) * Math.sqrt(squares[c]);
            rounded.dgamma()[c] += ofDgamma[c];
        }
        for (int i = 0; through && i < dz.length; i++) {
            int c = Reference.feature(shape, i);
            double ofXHat = Math.abs(batch.bias()[c] / gamma[c]);
            double xHat = Math.abs((x[i] - mean[c]) * rstd[c]);
            double products = Math.abs(gradients.dgamma()[c]) * (ofXHat + xHat) + ofDgamma[c] * xHat;
            rounded.dx()[i] += Math.abs(gamma[c] * rstd[c]) / m * products;
        }
        return rounded;
    }
}

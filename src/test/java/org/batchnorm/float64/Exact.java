package org.batchnorm.float64;

import java.math.BigDecimal;
import java.math.MathContext;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import org.batchnorm.conformance.Reference;
import org.batchnorm.spi.Activation;
import org.jspecify.annotations.Nullable;

/**
 * What a step on a batch of finite values comes to, straight from the formulas in decimal numbers of 60 digits, and the
 * bar: each feature's largest error may be {@code 8 · 2⁻⁵³ · M}, where M is the largest magnitude among the feature's
 * exact values and what is rounded on the way to them, as for float32 ({@code conformance.Rounded}).
 */
final class Exact {
    private static final MathContext DIGITS = new MathContext(60);
    private static final double BAR = 8 * 0x1p-53;
    private static final double OF_WHAT_IS_CENTERED = 0x1p-10;

    /** Of so many features a few have values that all cancel: there is one M for all, as in a conformance file. */
    private static final int MANY_FEATURES = 256;

    private static final BigDecimal ONE = BigDecimal.ONE;

    private final Inputs in;
    private final int features;
    private final BigDecimal[] v;
    private final BigDecimal[] normalized;
    private final BigDecimal[] bn;
    private final Figures ofY;
    private final Figures ofDx;
    private final @Nullable Figures ofDresidual;
    private final Figures ofMean;
    private final Figures ofVariance;
    private final Figures ofRstd;
    private final Figures ofDgamma;
    private final Figures ofDbeta;

    /** A quantity: the exact values, and what is rounded on the way to each. */
    private static final class Figures {
        final BigDecimal[] exact;
        final double[] rounded;

        Figures(int length) {
            exact = new BigDecimal[length];
            rounded = new double[length];
        }
    }

    Exact(Inputs in) {
        this.in = in;
        this.features = in.shape().c();
        int length = in.x().length;
        v = new BigDecimal[length];
        for (int i = 0; i < length; i++) {
            v[i] = activate(in.activations().input(), big(in.x()[i]));
        }
        ofMean = new Figures(features);
        ofVariance = new Figures(features);
        ofRstd = new Figures(features);
        statistics();
        normalized = new BigDecimal[length];
        bn = new BigDecimal[length];
        ofY = new Figures(length);
        transform();
        ofDbeta = new Figures(features);
        ofDgamma = new Figures(features);
        ofDx = new Figures(length);
        BigDecimal[] gradient = new BigDecimal[length];
        for (int i = 0; i < length; i++) {
            BigDecimal dy = big(in.dy()[i]);
            BigDecimal sign = in.residual() == null ? bn[i] : ofY.exact[i];
            gradient[i] = differentiate(in.activations().output(), dy, sign);
        }
        ofDresidual = in.residual() == null ? null : new Figures(length);
        if (ofDresidual != null) {
            System.arraycopy(gradient, 0, ofDresidual.exact, 0, length);
        }
        backward(gradient);
    }

    private static BigDecimal big(double value) {
        return new BigDecimal(value);
    }

    private int feature(int i) {
        return Reference.feature(in.shape(), i);
    }

    private static BigDecimal activate(Activation activation, BigDecimal value) {
        return value.signum() > 0 ? value : value.multiply(big(activation.negativeSlope()), DIGITS);
    }

    private static BigDecimal differentiate(Activation activation, BigDecimal gradient, BigDecimal value) {
        return value.signum() > 0 ? gradient : gradient.multiply(big(activation.negativeSlope()), DIGITS);
    }

    private BigDecimal gamma(int c) {
        return in.gamma() == null ? ONE : big(in.gamma()[c]);
    }

    private BigDecimal[] zeros() {
        BigDecimal[] zeros = new BigDecimal[features];
        Arrays.fill(zeros, BigDecimal.ZERO);
        return zeros;
    }

    private BigDecimal[] meansOf(BigDecimal[] values) {
        BigDecimal[] sum = zeros();
        for (int i = 0; i < values.length; i++) {
            sum[feature(i)] = sum[feature(i)].add(values[i], DIGITS);
        }
        BigDecimal m = BigDecimal.valueOf(in.shape().valuesPerFeature());
        for (int c = 0; c < features; c++) {
            sum[c] = sum[c].divide(m, DIGITS);
        }
        return sum;
    }

    private void statistics() {
        double m = in.shape().valuesPerFeature();
        BigDecimal[] mean = meansOf(v);
        BigDecimal[] squares = zeros();
        for (int i = 0; i < v.length; i++) {
            BigDecimal d = v[i].subtract(mean[feature(i)], DIGITS);
            squares[feature(i)] = squares[feature(i)].add(d.multiply(d, DIGITS), DIGITS);
        }
        for (int c = 0; c < features; c++) {
            boolean given = in.mean() != null && in.variance() != null;
            ofMean.exact[c] = given ? big(Objects.requireNonNull(in.mean())[c]) : mean[c];
            ofVariance.exact[c] =
                    given ? big(Objects.requireNonNull(in.variance())[c]) : squares[c].divide(big(m), DIGITS);
            BigDecimal root = ofVariance.exact[c].add(big(in.eps()), DIGITS).sqrt(DIGITS);
            ofRstd.exact[c] = ONE.divide(root, DIGITS);
            ofMean.rounded[c] = given ? 0 : Math.sqrt(ofVariance.exact[c].doubleValue() / m);
        }
    }

    private void transform() {
        for (int i = 0; i < bn.length; i++) {
            int c = feature(i);
            BigDecimal beta = in.beta() == null ? BigDecimal.ZERO : big(in.beta()[c]);
            normalized[i] = v[i].subtract(ofMean.exact[c], DIGITS).multiply(ofRstd.exact[c], DIGITS);
            bn[i] = normalized[i].multiply(gamma(c), DIGITS).add(beta, DIGITS);
            BigDecimal sum = bn[i];
            // The bar of BN(x) stays that of act(BN(x)), which may leave the small values alone.
            ofY.rounded[i] = in.activations().output().isNone() ? 0 : Math.abs(bn[i].doubleValue());
            if (in.residual() != null) {
                sum = sum.add(big(in.residual()[i]), DIGITS);
                ofY.rounded[i] = Math.max(Math.abs(bn[i].doubleValue()), Math.abs(in.residual()[i]));
            }
            ofY.exact[i] = activate(in.activations().output(), sum);
        }
    }

    private void backward(BigDecimal[] gradient) {
        boolean through = in.ofBatch();
        BigDecimal m = BigDecimal.valueOf(in.shape().valuesPerFeature());
        BigDecimal[] mean = meansOf(gradient);
        BigDecimal[] dgamma = zeros();
        BigDecimal[] dbeta = zeros();
        double[] centered = new double[features];
        double[] whole = new double[features];
        double[] ofDy = new double[features];
        for (int i = 0; i < gradient.length; i++) {
            int c = feature(i);
            BigDecimal xHat = normalized[i];
            dbeta[c] = dbeta[c].add(gradient[i], DIGITS);
            dgamma[c] = dgamma[c].add(gradient[i].multiply(xHat, DIGITS), DIGITS);
            double g = (through ? gradient[i].subtract(mean[c], DIGITS) : gradient[i]).doubleValue();
            centered[c] += square(g * xHat.doubleValue());
            whole[c] += square(gradient[i].doubleValue() * xHat.doubleValue());
            ofDy[c] += square(gradient[i].doubleValue());
        }
        double share = through ? OF_WHAT_IS_CENTERED : 0;
        BigDecimal[] scale = new BigDecimal[features];
        BigDecimal[] slope = new BigDecimal[features];
        for (int c = 0; c < features; c++) {
            scale[c] = gamma(c).multiply(ofRstd.exact[c], DIGITS);
            slope[c] = through ? dgamma[c].divide(m, DIGITS) : BigDecimal.ZERO;
            ofDbeta.exact[c] = dbeta[c];
            ofDbeta.rounded[c] = Math.sqrt(ofDy[c]);
            ofDgamma.exact[c] = dgamma[c];
            ofDgamma.rounded[c] = Math.sqrt(centered[c]) + share * Math.sqrt(whole[c]);
        }
        for (int i = 0; i < gradient.length; i++) {
            int c = feature(i);
            BigDecimal g = through ? gradient[i].subtract(mean[c], DIGITS) : gradient[i];
            BigDecimal toVariance = normalized[i].multiply(slope[c], DIGITS);
            BigDecimal dv = g.subtract(toVariance, DIGITS).multiply(scale[c], DIGITS);
            ofDx.exact[i] = differentiate(in.activations().input(), dv, v[i]);
            ofDx.rounded[i] = Math.abs(scale[c].doubleValue())
                    * (Math.abs(g.doubleValue()) + share * Math.abs(gradient[i].doubleValue()));
        }
    }

    private static double square(double value) {
        return value * value;
    }

    /** Checks everything; returns what is beyond the bar. */
    List<String> beyondBar(Outputs out) {
        List<String> messages = new ArrayList<>();
        check("mean", ofMean, out.mean, messages);
        check("variance", ofVariance, out.variance, messages);
        check("rstd", ofRstd, out.rstd, messages);
        check("y", ofY, out.y, messages);
        check("dx", ofDx, out.dx, messages);
        check("dgamma", ofDgamma, out.dgamma, messages);
        check("dbeta", ofDbeta, out.dbeta, messages);
        if (ofDresidual != null) {
            check("dresidual", ofDresidual, out.dresidual, messages);
        }
        return messages;
    }

    private void check(String name, Figures number, double @Nullable [] actual, List<String> messages) {
        if (actual == null) {
            return;
        }
        double[] m = new double[features];
        for (int i = 0; i < actual.length; i++) {
            int c = actual.length == features ? i : feature(i);
            m[c] = Math.max(m[c], Math.max(Math.abs(number.exact[i].doubleValue()), number.rounded[i]));
        }
        if (features > MANY_FEATURES) {
            Arrays.fill(m, Arrays.stream(m).max().orElse(0));
        }
        double worst = 0;
        String message = "";
        for (int i = 0; i < actual.length; i++) {
            int c = actual.length == features ? i : feature(i);
            double error = Double.isFinite(actual[i])
                    ? number.exact[i].subtract(big(actual[i]), DIGITS).abs().doubleValue()
                    : Double.POSITIVE_INFINITY;
            double ratio = error / Math.max(BAR * m[c], Double.MIN_VALUE);
            if (ratio > Math.max(worst, 1)) {
                worst = ratio;
                message = String.format(
                        Locale.ROOT,
                        "%s: element %d, of feature %d, is %s, expected %s; the error is %.2f of what the bar allows",
                        name,
                        i,
                        c,
                        actual[i],
                        number.exact[i].doubleValue(),
                        ratio);
            }
        }
        if (!message.isEmpty()) {
            messages.add(message);
        }
    }

    /** The exact results, each rounded once. */
    Outputs rounded() {
        Outputs out = new Outputs();
        out.y = doubles(ofY);
        out.dx = doubles(ofDx);
        out.mean = doubles(ofMean);
        out.variance = doubles(ofVariance);
        out.rstd = doubles(ofRstd);
        out.dgamma = doubles(ofDgamma);
        out.dbeta = doubles(ofDbeta);
        return out;
    }

    private static double[] doubles(Figures figures) {
        return Arrays.stream(figures.exact).mapToDouble(BigDecimal::doubleValue).toArray();
    }
}

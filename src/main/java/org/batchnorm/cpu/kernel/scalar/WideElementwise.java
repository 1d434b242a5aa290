package org.batchnorm.cpu.kernel.scalar;

import java.util.Objects;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.Elementwise;
import org.batchnorm.cpu.kernel.Operands;
import org.batchnorm.cpu.kernel.PerFeature;
import org.batchnorm.cpu.kernel.Rows;
import org.batchnorm.cpu.kernel.Runs;
import org.batchnorm.cpu.kernel.Wide;
import org.jspecify.annotations.Nullable;

/**
 * {@link Elementwise} of one {@link Wide} feature, in double precision, with coefficients of its own. Each participant
 * of an operation has one of these and sets it anew for every feature.
 */
public final class WideElementwise implements Elementwise {
    private @Nullable PerFeature features;
    private int feature;
    private double centre;
    private double dyCentre;
    private double slope;
    private double scale;
    private double offset;

    /** A map for many features, one after the other. */
    public WideElementwise() {}

    /**
     * Takes a feature.
     *
     * @param ofGradient whether the output is dx; else it is y
     */
    public WideElementwise of(PerFeature f, boolean ofGradient, int newFeature) {
        features = f;
        feature = newFeature;
        double rstd = InDouble.rstd(f, feature);
        double ofForward = ofGradient ? InDouble.rstd(f.ofForward, f.eps, feature) : rstd;
        boolean throughStatistics = ofGradient && f.throughStatistics;
        centre = ofGradient && !throughStatistics ? 0 : InDouble.mean(f, feature);
        dyCentre = throughStatistics ? f.gradients.dbeta()[feature] / f.count : 0;
        offset = ofGradient ? 0 : f.beta[feature];
        if (throughStatistics && f.count <= Wide.TWO_VALUES) {
            slope = 0;
            scale = f.gamma[feature] * ofForward * f.eps * ofForward * ofForward;
        } else {
            slope = throughStatistics ? -f.gradients.dgamma()[feature] * rstd / f.count : 0;
            scale = f.gamma[feature] * ofForward;
        }
        return this;
    }

    @Override
    public void rows(Operands o, Rows r, Coefficients c) {
        for (int j = r.from; j < r.to; j++) {
            map(o, r.first + j, r.count, r.width);
        }
    }

    @Override
    public void runs(Operands o, Runs r, Coefficients c) {
        for (long i = 0; i < r.images; i++) {
            map(o, r.first + i * r.imageApart, r.length, 1);
        }
    }

    private void map(Operands o, long first, long count, long apart) {
        PerFeature f = Objects.requireNonNull(features);
        for (long at = first; at < first + count * apart; at += apart) {
            double t = o.value(at) - centre;
            if (o.hasSecond() && !o.hasResidual()) {
                double dy = InDouble.gradient(o, f, at, feature);
                double dx = ((dy - dyCentre) + t * slope) * scale;
                o.out(at, o.input.gradient((float) dx, o.x(at)));
            } else {
                double z = t * scale + offset;
                o.out(at, o.output.of((float) (o.hasResidual() ? z + o.second(at) : z)));
            }
        }
    }
}

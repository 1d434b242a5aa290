package org.batchnorm.float64;

import org.batchnorm.BatchNorm;
import org.batchnorm.BatchNormBuilder;
import org.batchnorm.SavedStatistics;
import org.batchnorm.data.Batch;
import org.batchnorm.data.ElementType;

/** Layers of FLOAT64 for what a step is given. */
final class Layers {
    private Layers() {}

    static BatchNorm layer(Inputs in, String backend, int threads) {
        BatchNorm layer = builder(in, backend).threads(threads).build();
        set(in.gamma(), layer.doubleWeight());
        set(in.beta(), layer.doubleBias());
        if (in.mean() != null && in.variance() != null) {
            set(in.mean(), layer.doubleRunningMean());
            set(in.variance(), layer.doubleRunningVar());
        }
        return layer;
    }

    private static void set(double[] from, double[] to) {
        System.arraycopy(from, 0, to, 0, to.length);
    }

    static BatchNormBuilder builder(Inputs in, String backend) {
        return BatchNorm.builder(in.shape().c())
                .elementType(ElementType.FLOAT64)
                .eps(in.eps())
                .inputActivation(in.activations().input())
                .activation(in.activations().output())
                .backend(backend);
    }

    static double[] values(Batch batch) {
        double[] values = new double[(int) batch.shape().elements()];
        batch.copyTo(0, values, 0, values.length);
        return values;
    }

    /** A training step. */
    static Outputs train(Inputs in, String backend) {
        boolean affine = in.gamma() != null;
        try (BatchNorm layer = affine
                ? layer(in, backend, 2)
                : builder(in, backend).affine(false).build()) {
            Batch y = Batch.of(new double[in.x().length], in.shape());
            SavedStatistics saved = new SavedStatistics(in.shape().c());
            layer.forward(Batch.of(in.x(), in.shape()), y, saved);
            Outputs out = new Outputs();
            out.y = values(y);
            out.mean = saved.doubleMean();
            out.variance = saved.doubleVariance();
            out.rstd = saved.doubleRstd();
            Batch dx = Batch.of(new double[in.x().length], in.shape());
            layer.backward(Batch.of(in.x(), in.shape()), Batch.of(in.dy(), in.shape()), dx, saved);
            out.dx = values(dx);
            out.dgamma = affine ? layer.doubleWeightGradient() : null;
            out.dbeta = affine ? layer.doubleBiasGradient() : null;
            return out;
        }
    }
}

package org.batchnorm.tornadovm.backend;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Objects;
import org.batchnorm.data.ElementType;
import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Normalization;
import org.batchnorm.tornadovm.BatchNormTasks;
import org.jspecify.annotations.Nullable;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/**
 * The arrays of a {@link HostPlan}'s layer on the host, rows of C values each, in the layer's type.
 *
 * @param features C
 * @param type FLOAT32 or FLOAT64
 * @param parameters gamma, beta
 * @param gradients dgamma, dbeta
 * @param statistics mean, meanLow, variance, rstd
 * @param tracked mean, variance of the running statistics; null where the layer tracks none
 */
record LayerArrays(
        int features,
        ElementType type,
        TornadoNativeArray parameters,
        TornadoNativeArray gradients,
        TornadoNativeArray statistics,
        @Nullable TornadoNativeArray tracked) {

    static LayerArrays of(BatchNormTasks tasks) {
        int features = tasks.config().features();
        boolean tracking = tasks.config().trackRunningStatistics();
        if (tasks.config().elementType() == ElementType.FLOAT64) {
            return new LayerArrays(
                    features,
                    ElementType.FLOAT64,
                    tasks.doubleParameters(),
                    tasks.doubleGradients(),
                    tasks.doubleStatistics(),
                    tracking ? tasks.doubleRunningStatistics() : null);
        }
        return new LayerArrays(
                features,
                ElementType.FLOAT32,
                tasks.parameters(),
                tasks.gradients(),
                tasks.statistics(),
                tracking ? tasks.runningStatistics() : null);
    }

    /** The running statistics of a layer that has some. */
    TornadoNativeArray running() {
        return Objects.requireNonNull(tracked, "running: the layer tracks no statistics");
    }

    private boolean inDouble() {
        return type == ElementType.FLOAT64;
    }

    /** γ and β; where there are none, ones and zeros. */
    void putParameters(Normalization n) {
        put(parameters, 0, inDouble() ? n.doubleGamma() : n.gamma(), 1);
        put(parameters, 1, inDouble() ? n.doubleBeta() : n.beta(), 0);
    }

    /** Given statistics, of which inference needs the mean and the variance. */
    void putRunning(BatchStatistics given) {
        put(running(), 0, inDouble() ? given.doubleMean() : given.mean(), 0);
        put(running(), 1, inDouble() ? given.doubleVariance() : given.variance(), 1);
    }

    void putStatistics(BatchStatistics from) {
        put(statistics, 0, inDouble() ? from.doubleMean() : from.mean(), 0);
        put(statistics, 1, inDouble() ? from.doubleMeanLow() : from.meanLow(), 0);
        put(statistics, 2, inDouble() ? from.doubleVariance() : from.variance(), 0);
        put(statistics, 3, inDouble() ? from.doubleRstd() : from.rstd(), 0);
    }

    /** Given statistics with the rstd that gradients will have, for those who must find the same bits again. */
    void putGiven(BatchStatistics given, double eps) {
        putStatistics(given);
        for (int i = 0; i < features; i++) {
            put(statistics, 3, i, 1 / Math.sqrt(given.variance(i) + eps));
        }
    }

    void readStatistics(BatchStatistics into) {
        read(statistics, 0, inDouble() ? into.doubleMean() : into.mean());
        read(statistics, 1, inDouble() ? into.doubleMeanLow() : into.meanLow());
        read(statistics, 2, inDouble() ? into.doubleVariance() : into.variance());
        read(statistics, 3, inDouble() ? into.doubleRstd() : into.rstd());
    }

    void readGradients(GradientSums into) {
        for (int i = 0; i < features; i++) {
            into.dgamma()[i] = get(gradients, 0, i);
            into.dbeta()[i] = get(gradients, 1, i);
        }
    }

    /** A float[] or a double[], or the same value for all. */
    private void put(TornadoNativeArray target, int row, @Nullable Object values, double otherwise) {
        if (values == null) {
            for (int i = 0; i < features; i++) {
                put(target, row, i, otherwise);
            }
        } else {
            MemorySegment.copy(values, 0, target.getSegment(), layout(), offset(row, 0), features);
        }
    }

    private void put(TornadoNativeArray target, int row, int feature, double value) {
        MemorySegment segment = target.getSegment();
        if (inDouble()) {
            segment.set(ValueLayout.JAVA_DOUBLE, offset(row, feature), value);
        } else {
            segment.set(ValueLayout.JAVA_FLOAT, offset(row, feature), (float) value);
        }
    }

    private void read(TornadoNativeArray source, int row, Object values) {
        MemorySegment.copy(source.getSegment(), layout(), offset(row, 0), values, 0, features);
    }

    private double get(TornadoNativeArray source, int row, int feature) {
        MemorySegment segment = source.getSegment();
        return inDouble()
                ? segment.get(ValueLayout.JAVA_DOUBLE, offset(row, feature))
                : segment.get(ValueLayout.JAVA_FLOAT, offset(row, feature));
    }

    private ValueLayout layout() {
        return inDouble() ? ValueLayout.JAVA_DOUBLE : ValueLayout.JAVA_FLOAT;
    }

    private long offset(int row, int feature) {
        return ((long) row * features + feature) * type.bytes();
    }
}

package org.batchnorm.tornadovm;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.OptionalDouble;
import java.util.Random;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.conformance.ErrorBound;
import org.batchnorm.conformance.Quantity;
import org.batchnorm.conformance.QuantityResult;
import org.batchnorm.conformance.Reference;
import org.batchnorm.conformance.Rounded;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.Activation;
import org.batchnorm.spi.Activations;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/** Data for layers under test, and what the reference makes of them. */
final class Layers {
    static final TornadoDevice DEVICE = TornadoExecutionPlan.getDevice(0, 0);

    /** The device's own limits. */
    static final DeviceLimits OWN = DeviceLimits.of(DEVICE);

    /** The same of a GPU, whose sums of gradients are pairs of float32. */
    static final DeviceLimits AS_GPU = new DeviceLimits(OWN.computeUnits(), 1024, OWN.localMemory(), false);

    /**
     * Many compute units, so that even small batches are shared by many work-groups, and nothing fits on chip. Sums of
     * gradients are pairs of float32.
     */
    static final DeviceLimits TWO_STAGES = new DeviceLimits(64, 512, 0, false);

    /** Without pairs of float32. */
    static final DeviceLimits TWO_STAGES_FLOAT64 = TWO_STAGES.withFastFloat64(true);

    private Layers() {}

    static FloatArray gaussian(long seed, long elements, double mean, double deviation) {
        Random random = new Random(seed);
        FloatArray array = new FloatArray(Math.toIntExact(elements));
        for (int i = 0; i < array.getSize(); i++) {
            array.set(i, (float) (mean + deviation * random.nextGaussian()));
        }
        return array;
    }

    /** Some of the values are now 0 or −0, at which an activation before batch norm bends. */
    static FloatArray withZeros(FloatArray values) {
        for (int i = 0; i < values.getSize(); i += 19) {
            values.set(i, i % 2 == 0 ? 0f : -0f);
        }
        return values;
    }

    static FloatArray filled(long elements, float value) {
        FloatArray array = new FloatArray(Math.toIntExact(elements));
        array.init(value);
        return array;
    }

    static void randomParameters(BatchNormTasks norm, long seed) {
        Random random = new Random(seed);
        int c = norm.config().features();
        for (int i = 0; i < c; i++) {
            norm.parameters().set(i, (float) (1 + 0.5 * random.nextGaussian()));
            norm.parameters().set(c + i, (float) random.nextGaussian());
        }
    }

    static double[] doubles(FloatArray array, long offset, long count) {
        double[] values = new double[Math.toIntExact(count)];
        for (int i = 0; i < values.length; i++) {
            values[i] = array.get(Math.toIntExact(offset) + i);
        }
        return values;
    }

    static float[] floats(FloatArray array, long offset, long count) {
        float[] values = new float[Math.toIntExact(count)];
        for (int i = 0; i < values.length; i++) {
            values[i] = array.get(Math.toIntExact(offset) + i);
        }
        return values;
    }

    static void assertWithinBar(String what, Quantity quantity, FloatArray actual, long offset, double[] expected) {
        QuantityResult result =
                ErrorBound.check(quantity, floats(actual, offset, expected.length), expected, OptionalDouble.empty());
        assertThat(result.pass()).as("%s: %s", what, result.message()).isTrue();
    }

    /** By a bound of each feature's own. */
    private static void assertEachWithinBar(
            String what, Quantity quantity, BatchShape shape, float[] actual, double[] expected, double[] rounded) {
        QuantityResult result = ErrorBound.checkEachFeature(quantity, shape, actual, expected, rounded);
        assertThat(result.pass()).as("%s: %s", what, result.message()).isTrue();
    }

    /** What the reference makes of a training step with a layer's parameters. */
    @SuppressWarnings("ArrayRecordComponent") // a bundle of results, never compared
    record Expected(
            BatchShape shape,
            Reference.Statistics statistics,
            double[] y,
            double[] roundedY,
            Reference.Gradients gradients,
            Reference.Gradients rounded) {

        static Expected training(BatchNormTasks norm, BatchShape shape, FloatArray x, FloatArray dy) {
            double[] wideX = doubles(x, 0, shape.elements());
            Reference.Statistics statistics =
                    Reference.statistics(shape, wideX, norm.config().eps());
            return of(norm, shape, wideX, dy, statistics, true);
        }

        static Expected frozen(
                BatchNormTasks norm, BatchShape shape, FloatArray x, FloatArray dy, double[] mean, double[] variance) {
            Reference.Statistics statistics = new Reference.Statistics(
                    mean, variance, Reference.rstd(variance, norm.config().eps()));
            return of(norm, shape, doubles(x, 0, shape.elements()), dy, statistics, false);
        }

        private static Expected of(
                BatchNormTasks norm,
                BatchShape shape,
                double[] x,
                FloatArray dy,
                Reference.Statistics statistics,
                boolean throughStatistics) {
            int c = shape.c();
            boolean affine = norm.config().affine();
            double[] gamma = new double[c];
            double[] beta = new double[c];
            for (int i = 0; i < c; i++) {
                gamma[i] = affine ? norm.parameters().get(i) : 1;
                beta[i] = affine ? norm.parameters().get(c + i) : 0;
            }
            double[] mean = statistics.mean();
            double[] rstd = statistics.rstd();
            double[] wideDy = doubles(dy, 0, shape.elements());
            return new Expected(
                    shape,
                    statistics,
                    Reference.transform(shape, x, gamma, beta, mean, rstd),
                    Rounded.nothing(x.length),
                    Reference.backward(shape, x, wideDy, gamma, mean, rstd, throughStatistics),
                    Rounded.gradients(shape, x, wideDy, gamma, mean, rstd, throughStatistics));
        }

        /** The same with a residual and an activation behind it, of a gradient that was given before that. */
        Expected withResidual(Activation output, FloatArray residual) {
            double[] wide = doubles(residual, 0, shape.elements());
            double[] sums = Reference.addResidual(y, wide, output);
            return new Expected(shape, statistics, sums, Rounded.withResidual(y, wide), gradients, rounded);
        }

        /** The same behind an activation and before another one, of a batch that was given as these see it. */
        Expected activated(Activations activations, FloatArray x) {
            double[] activatedY = y.clone();
            double[] bn = y.clone();
            double slope = activations.output().negativeSlope();
            for (int i = 0; i < bn.length; i++) {
                // What an activation makes small was rounded when it was not.
                bn[i] = Math.abs(y[i]);
                activatedY[i] = y[i] > 0 ? y[i] : slope * y[i];
                double derivative = activations.input().derivative(x.get(i));
                gradients.dx()[i] *= derivative;
                rounded.dx()[i] *= derivative;
            }
            return new Expected(shape, statistics, activatedY, bn, gradients, rounded);
        }

        /** Every result of a training step, each feature within a bound of its own. */
        void check(String what, BatchNormTasks norm, FloatArray y, FloatArray dx) {
            double[] roundedMean = Rounded.mean(shape, statistics.variance());
            check(what, Quantity.MEAN, norm.statistics(), 0, statistics.mean(), roundedMean);
            check(what, Quantity.RSTD, norm.statistics(), 3, statistics.rstd(), Rounded.nothing(shape.c()));
            check(what, Quantity.Y, y, 0, this.y, roundedY);
            check(what, Quantity.DX, dx, 0, gradients.dx(), rounded.dx());
            if (norm.config().affine()) {
                check(what, Quantity.DWEIGHT, norm.gradients(), 0, gradients.dgamma(), rounded.dgamma());
                check(what, Quantity.DBIAS, norm.gradients(), 1, gradients.dbeta(), rounded.dbeta());
            }
        }

        private void check(
                String what, Quantity quantity, FloatArray actual, int row, double[] expected, double[] rounding) {
            float[] values = floats(actual, (long) row * shape.c(), expected.length);
            assertEachWithinBar(what, quantity, shape, values, expected, rounding);
        }
    }

    static BatchNormTasks layer(BatchShape shape, DeviceLimits limits) {
        return new BatchNormTasks("norm", BatchNormConfig.of(shape.c()), shape, limits);
    }
}

package org.batchnorm;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.EnumMap;
import java.util.Map;
import java.util.OptionalDouble;
import org.batchnorm.conformance.ErrorBound;
import org.batchnorm.conformance.Quantity;
import org.batchnorm.conformance.QuantityResult;
import org.batchnorm.conformance.Reference;
import org.batchnorm.conformance.Rounded;
import org.batchnorm.data.BatchShape;

/** What one forward and backward of a layer gave, and the assertions on it. */
public final class Step {
    /**
     * With more features, one bound holds for all of them, as for files: among many features there is one in which
     * terms happen to cancel almost wholly, and the backends do not keep all of their digits there.
     */
    private static final int MOST_FEATURES_ONE_BY_ONE = 256;

    private final BatchShape shape;
    private final Map<Quantity, float[]> results = new EnumMap<>(Quantity.class);

    private Step(BatchShape shape) {
        this.shape = shape;
    }

    /**
     * Sets the parameters, runs forward and backward once, and takes copies of everything. The inputs are checked to be
     * unchanged.
     */
    public static Step run(BatchNorm layer, Values batch) {
        if (layer.config().affine()) {
            System.arraycopy(batch.weight(), 0, layer.weight(), 0, batch.weight().length);
            System.arraycopy(batch.bias(), 0, layer.bias(), 0, batch.bias().length);
        }
        layer.zeroGradients();
        float[] x = batch.x().clone();
        float[] dy = batch.dy().clone();
        float[] y = new float[x.length];
        float[] dx = new float[x.length];
        SavedStatistics saved = new SavedStatistics(batch.shape().c());
        layer.forward(x, y, batch.shape(), saved);
        Step step = new Step(batch.shape());
        step.results.put(Quantity.Y, y);
        step.results.put(Quantity.MEAN, saved.mean());
        step.results.put(Quantity.RSTD, saved.rstd());
        layer.backward(x, dy, dx, batch.shape(), saved);
        step.results.put(Quantity.DX, dx);
        step.takeFrom(layer);
        assertThat(x).as("x, an input").isEqualTo(batch.x());
        assertThat(dy).as("dy, an input").isEqualTo(batch.dy());
        return step;
    }

    /** The results of a forward and backward that a test ran by itself; saved statistics are left out. */
    public static Step of(BatchNorm layer, BatchShape shape, float[] y, float[] dx) {
        Step step = new Step(shape);
        step.results.put(Quantity.Y, y.clone());
        step.results.put(Quantity.DX, dx.clone());
        step.takeFrom(layer);
        return step;
    }

    private void takeFrom(BatchNorm layer) {
        if (layer.config().affine()) {
            results.put(Quantity.DWEIGHT, layer.weightGradient().clone());
            results.put(Quantity.DBIAS, layer.biasGradient().clone());
        }
        if (layer.config().trackRunningStatistics()) {
            results.put(Quantity.RUNNING_MEAN, layer.runningMean().clone());
            results.put(Quantity.RUNNING_VAR, layer.runningVar().clone());
        }
    }

    /** Leaves out a result. */
    public Step without(Quantity quantity) {
        results.remove(quantity);
        return this;
    }

    /** One of the results. */
    public float[] get(Quantity quantity) {
        return results.get(quantity);
    }

    /** Every result that both have is the same, bit by bit. */
    public Step isBitwise(Step other) {
        other.results.forEach((quantity, expected) -> {
            float[] actual = results.get(quantity);
            if (actual != null) {
                assertThat(actual).as(quantity.tensorName()).isEqualTo(expected);
            }
        });
        return this;
    }

    /** Every result is the same as the other's, bit by bit, in every feature but one. */
    public Step isBitwiseButInFeature(int spoiled, Step other) {
        results.forEach((quantity, actual) -> {
            float[] expected = other.results.get(quantity);
            boolean perFeature = actual.length == shape.c();
            for (int i = 0; i < actual.length; i++) {
                int feature = perFeature ? i : Reference.feature(shape, i);
                if (feature != spoiled && Float.compare(actual[i], expected[i]) != 0) {
                    assertThat(actual[i])
                            .as("%s[%d], of feature %d", quantity.tensorName(), i, feature)
                            .isEqualTo(expected[i]);
                }
            }
        });
        return this;
    }

    /** The result is within the bar of what is expected in double precision, each feature by its own bound. */
    public Step isWithinBar(Quantity quantity, double[] expected) {
        return isWithinBar(quantity, expected, Rounded.nothing(expected.length));
    }

    /** The same where terms cancel on the way to the result. */
    public Step isWithinBar(Quantity quantity, double[] expected, double[] rounded) {
        assertWithinBar(shape, quantity, results.get(quantity), expected, rounded);
        return this;
    }

    /** The results are within the bar of the {@link Reference}'s for training. */
    public Step isWithinBarOfTraining(Values batch, BatchNormConfig config) {
        double[] x = Reference.widen(batch.x());
        double[] gamma = config.affine() ? Reference.widen(batch.weight()) : null;
        double[] beta = config.affine() ? Reference.widen(batch.bias()) : null;
        Reference.Statistics statistics = Reference.statistics(shape, x, config.eps());
        return isWithinBar(Quantity.MEAN, statistics.mean(), Rounded.mean(shape, statistics.variance()))
                .isWithinBar(Quantity.RSTD, statistics.rstd())
                .isWithinBarOf(batch, gamma, beta, statistics.mean(), statistics.rstd(), true);
    }

    /** The same without saved statistics, which {@link #of} leaves out. */
    public Step isWithinBarOfResults(Values batch, BatchNormConfig config) {
        double[] x = Reference.widen(batch.x());
        Reference.Statistics statistics = Reference.statistics(shape, x, config.eps());
        return isWithinBarOf(
                batch,
                Reference.widen(batch.weight()),
                Reference.widen(batch.bias()),
                statistics.mean(),
                statistics.rstd(),
                true);
    }

    /** The running statistics of a new layer, after this batch alone, are within the bar. */
    public Step isWithinBarOfFirstBatch(Values batch, BatchNormConfig config) {
        double momentum = config.momentum().orElse(1);
        Reference.Statistics statistics = Reference.statistics(shape, Reference.widen(batch.x()), config.eps());
        double[] unbiased = Reference.unbiased(statistics.variance(), shape.valuesPerFeature());
        double[] ones = new double[shape.c()];
        Arrays.fill(ones, 1);
        double[] mean = Reference.updateRunning(new double[shape.c()], statistics.mean(), momentum);
        return isWithinBar(Quantity.RUNNING_MEAN, mean, Rounded.runningMean(shape, statistics.variance(), momentum))
                .isWithinBar(Quantity.RUNNING_VAR, Reference.updateRunning(ones, unbiased, momentum));
    }

    /**
     * The results are within the bar of the {@link Reference}'s for a layer that normalizes with the given running
     * statistics.
     */
    public Step isWithinBarOfInference(Values batch, BatchNormConfig config, float[] runningMean, float[] runningVar) {
        double[] gamma = config.affine() ? Reference.widen(batch.weight()) : null;
        double[] beta = config.affine() ? Reference.widen(batch.bias()) : null;
        double[] rstd = Reference.rstd(Reference.widen(runningVar), config.eps());
        return isWithinBarOf(batch, gamma, beta, Reference.widen(runningMean), rstd, false);
    }

    private Step isWithinBarOf(
            Values batch, double[] gamma, double[] beta, double[] mean, double[] rstd, boolean throughStatistics) {
        double[] x = Reference.widen(batch.x());
        double[] dy = Reference.widen(batch.dy());
        isWithinBar(Quantity.Y, Reference.transform(shape, x, gamma, beta, mean, rstd));
        Reference.Gradients gradients = Reference.backward(shape, x, dy, gamma, mean, rstd, throughStatistics);
        Reference.Gradients rounded = Rounded.gradients(shape, x, dy, gamma, mean, rstd, throughStatistics);
        isWithinBar(Quantity.DX, gradients.dx(), rounded.dx());
        if (gamma != null) {
            isWithinBar(Quantity.DWEIGHT, gradients.dgamma(), rounded.dgamma());
            isWithinBar(Quantity.DBIAS, gradients.dbeta(), rounded.dbeta());
        }
        return this;
    }

    /** Values, one for each feature, are within the bar of what is expected, each by its own bound. */
    public static void assertWithinBar(Quantity quantity, float[] actual, double[] expected) {
        BatchShape oneSample = BatchShape.of(1, expected.length);
        assertWithinBar(oneSample, quantity, actual, expected, Rounded.nothing(expected.length));
    }

    /** Values of a batch are within the bar of what is expected, each feature by its own bound. */
    static void assertWithinBar(
            BatchShape shape, Quantity quantity, float[] actual, double[] expected, double[] rounded) {
        QuantityResult result = shape.c() <= MOST_FEATURES_ONE_BY_ONE
                ? ErrorBound.checkEachFeature(quantity, shape, actual, expected, rounded)
                : ErrorBound.check(quantity, actual, expected, rounded, OptionalDouble.empty());
        assertThat(result.message()).as("beyond the bar").isEmpty();
    }
}

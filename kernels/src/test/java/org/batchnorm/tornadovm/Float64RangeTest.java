package org.batchnorm.tornadovm;

import static org.batchnorm.tornadovm.Float64Step.valuesOf;

import java.util.Arrays;
import java.util.Random;
import java.util.stream.Stream;
import org.batchnorm.conformance.Reference;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.float64.Inputs;
import org.batchnorm.float64.Outputs;
import org.batchnorm.spi.Activations;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;

/** Values of FLOAT64 near the end of its range, against exact results. */
class Float64RangeTest {
    static Stream<BatchShape> shapes() {
        return Stream.of(BatchShape.of(301, 5), BatchShape.channelsFirst(60, 4, 3));
    }

    /**
     * Features some of whose values need the unit of large ones: a few of the first feature, the last ones of the
     * second, and of the third about every other.
     */
    private static Inputs mixed(BatchShape shape) {
        Inputs in = Inputs.random(shape, 77);
        double[] x = in.x().clone();
        Random random = new Random(5);
        for (int i = 0; i < x.length; i++) {
            int feature = Reference.feature(shape, i);
            if (feature == 0 && random.nextInt(40) == 0) {
                x[i] = 1e200 * random.nextGaussian();
            }
            if (feature == 1 && i > x.length - 3 * shape.c()) {
                x[i] = -3e160;
            }
            if (feature == 2) {
                x[i] = Math.pow(10, 147 + random.nextDouble()) * random.nextGaussian();
            }
        }
        return in.withX(x);
    }

    /** Work-items and work-groups of one feature add up in units of their own, and meet. */
    @ParameterizedTest
    @MethodSource("shapes")
    void sumsInSeveralUnitsMeet(BatchShape shape) throws Exception {
        Float64Step step = new Float64Step(mixed(shape), Layers.TWO_STAGES);
        step.forwardAndBackward();
        Outputs out = step.outputs();
        out.variance = null; // beyond float64
        out.isWithinBar(step.in);
    }

    /** The moments of a part are in its unit, by which the products of its gradients are moved. */
    @ParameterizedTest
    @MethodSource("shapes")
    void aPartMayHaveAUnit(BatchShape shape) throws Exception {
        double[] dy = Arrays.stream(Inputs.random(shape, 8).dy())
                .map(value -> value + 1e6)
                .toArray();
        Float64Step step = new Float64Step(mixed(shape).withDy(dy), Layers.TWO_STAGES);
        DoubleArray moments = Summaries.array(shape.c(), ElementType.FLOAT64);
        DoubleArray sums = Summaries.array(shape.c(), ElementType.FLOAT64);
        step.train(
                pieces -> {
                    pieces.collectStatistics(step.x, moments);
                    pieces.mergeStatistics(moments);
                    pieces.transform(step.x, step.y);
                    pieces.reduceGradients(step.x, step.dy, moments, sums);
                    pieces.mergeGradients(sums);
                    pieces.inputGradient(step.x, step.dy, step.dx);
                },
                step.x,
                step.y,
                step.dy,
                step.dx);
        Outputs out = step.outputs();
        out.variance = null; // beyond float64
        out.isWithinBar(step.in);
    }

    @ParameterizedTest
    @ValueSource(doubles = {1e302, 1e305})
    void dyMayHaveAnyMean(double mean) throws Exception {
        BatchShape shape = BatchShape.of(301, 3);
        double[] dy = Arrays.stream(Inputs.random(shape, 8).dy())
                .map(value -> mean + mean * 1e-13 * value)
                .toArray();
        Float64Step step = new Float64Step(Inputs.random(shape, 9).withDy(dy), Layers.TWO_STAGES);
        step.forwardAndBackward();
        step.outputs().isWithinBar(step.in);
    }

    /** Two features, whose values are farther from the mean than float64 reaches; their x̂ are not. */
    private static Inputs farFromTheMean() {
        double most = Double.MAX_VALUE;
        return new Inputs(
                BatchShape.of(4, 2),
                new double[] {1.7e308, -most, 1e308, 1e300, 0, -3e299, -1.7e308, most},
                new double[] {1, 2, -1, 3, 5, 1, 2, -4},
                new double[] {1, 2},
                new double[] {0, 1},
                null,
                new double[] {-1.7e308, 1e300},
                new double[] {1e280, 1e280},
                1e-5,
                Activations.NONE);
    }

    @Test
    void inferenceReachesAsFarAsItsResult() throws Exception {
        Float64Step step = new Float64Step(farFromTheMean(), Layers.TWO_STAGES);
        step.run(pieces -> pieces.inference(step.x, step.y), step.x, step.y);
        Outputs out = new Outputs();
        out.y = valuesOf(step.y);
        out.isWithinBar(step.in);
    }

    @Test
    void frozenStatisticsReachAsFarAsTheirResult() throws Exception {
        Float64Step step = new Float64Step(farFromTheMean(), Layers.TWO_STAGES);
        step.train(
                pieces -> {
                    pieces.frozenForward(step.x, step.y);
                    pieces.frozenBackward(step.x, step.dy, step.dx);
                },
                step.x,
                step.y,
                step.dy,
                step.dx);
        step.outputs().isWithinBar(step.in);
    }
}

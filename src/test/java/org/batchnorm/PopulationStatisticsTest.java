package org.batchnorm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.within;

import java.lang.foreign.Arena;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import org.assertj.core.data.Offset;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.spi.Moments;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Statistics of a whole data set, against sums over all its values in double precision. */
class PopulationStatisticsTest {
    private static final int C = 3;
    private static final int[] SIZES = {16, 16, 16, 5};

    /**
     * Of a mean, whose digits are float64's: what float32 rounds in the sums is about the deviation, which is near 1.
     */
    private static final Offset<Double> CLOSE = within(1e-7);

    /** Of a variance, of 1 to 3.4, which forwards round to float32. */
    private static final Offset<Double> ROUNDED = within(3 * 0x1p-24);

    private final float[][] batches = batches();

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void estimatesAreThoseOfTheirFormulas(boolean fromForward) {
        PopulationStatistics population = gather(fromForward, 0, SIZES.length);
        assertThat(population.batches()).isEqualTo(4);
        assertThat(population.count()).isEqualTo(53);
        Offset<Double> close = fromForward ? ROUNDED : CLOSE;
        for (int c = 0; c < C; c++) {
            double[] all = feature(c, 0, SIZES.length);
            assertThat(population.exact().mean()[c]).isCloseTo(mean(all), CLOSE);
            assertThat(population.exact().variance()[c]).isCloseTo(unbiased(all), close);
            double means = 0;
            double variances = 0;
            for (int b = 0; b < SIZES.length; b++) {
                means += mean(feature(c, b, b + 1)) / SIZES.length;
                variances += unbiased(feature(c, b, b + 1)) / SIZES.length;
            }
            assertThat(population.algorithm2().mean()[c]).isCloseTo(means, CLOSE);
            assertThat(population.algorithm2().variance()[c]).isCloseTo(variances, close);
        }
    }

    /** Of the values that the type holds, exactly; the outputs of the forwards do not matter. */
    @ParameterizedTest
    @EnumSource(value = ElementType.class, names = "B?FLOAT(16|32)", mode = EnumSource.Mode.MATCH_ALL)
    void everyTypeHasTheStatisticsOfItsValues(ElementType type) {
        PopulationStatistics ofForwards = new PopulationStatistics(C);
        PopulationStatistics ofBatches = new PopulationStatistics(C);
        SavedStatistics saved = new SavedStatistics(C);
        Moments moments = new Moments(C);
        try (BatchNorm layer = BatchNorm.builder(C).build();
                BatchNormFunction function = BatchNormFunction.builder(C).build()) {
            for (float[] values : batches) {
                Batch x = batch(values.length / C, type);
                x.copyFrom(values, 0, 0, values.length);
                x.copyTo(0, values, 0, values.length);
                layer.forward(x, batch(values.length / C, type), saved);
                ofForwards.add(saved);
                function.collectStatistics(x, moments);
                ofBatches.add(moments);
            }
        }
        for (int c = 0; c < C; c++) {
            double[] all = feature(c, 0, SIZES.length);
            for (PopulationStatistics.Estimate estimate : List.of(ofForwards.exact(), ofBatches.exact())) {
                assertThat(estimate.mean()[c]).isCloseTo(mean(all), CLOSE);
                assertThat(estimate.variance()[c]).isCloseTo(unbiased(all), ROUNDED);
            }
            assertThat(ofForwards.algorithm2().variance()[c])
                    .isCloseTo(ofBatches.algorithm2().variance()[c], ROUNDED);
        }
    }

    private static Batch batch(int n, ElementType type) {
        return Batch.of(Arena.ofAuto().allocate((long) n * C * type.bytes(), 8), type, BatchShape.of(n, C));
    }

    @Test
    void partsOfThreadsAndProcessesAreMerged() {
        PopulationStatistics whole = gather(false, 0, 4);
        PopulationStatistics merged = gather(false, 0, 1);
        merged.add(PopulationStatistics.ofArray(gather(false, 1, 4).toArray()));
        merged.add(new PopulationStatistics(C));
        assertThat(merged.batches()).isEqualTo(4);
        assertThat(merged.count()).isEqualTo(53);
        Offset<Double> rounding = within(1e-14);
        for (int c = 0; c < C; c++) {
            assertThat(merged.exact().mean()[c]).isCloseTo(whole.exact().mean()[c], rounding);
            assertThat(merged.exact().variance()[c]).isCloseTo(whole.exact().variance()[c], rounding);
            assertThat(merged.algorithm2().mean()[c])
                    .isCloseTo(whole.algorithm2().mean()[c], rounding);
            assertThat(merged.algorithm2().variance()[c])
                    .isCloseTo(whole.algorithm2().variance()[c], rounding);
        }
    }

    /** At a mean of 2⁵⁰ one double leaves an eighth of a deviation out. */
    @Test
    void whatGoesThroughAnArrayLosesNoBit() {
        PopulationStatistics[] parts = new PopulationStatistics[4];
        Random random = new Random(9);
        try (BatchNorm layer =
                BatchNorm.builder(C).elementType(ElementType.FLOAT64).build()) {
            SavedStatistics saved = new SavedStatistics(C);
            for (int p = 0; p < parts.length; p++) {
                parts[p] = new PopulationStatistics(C);
                for (int b = 0; b < 5; b++) {
                    double[] x = random.doubles(7 * C, -2, 2)
                            .map(v -> 0x1p50 + Math.rint(4 * v) / 4)
                            .toArray();
                    BatchShape shape = BatchShape.of(7, C);
                    layer.forward(Batch.of(x, shape), Batch.of(new double[x.length], shape), saved);
                    parts[p].add(saved);
                }
            }
        }
        PopulationStatistics inProcess = new PopulationStatistics(C);
        PopulationStatistics ofArrays = new PopulationStatistics(C);
        for (PopulationStatistics part : parts) {
            inProcess.add(part);
            ofArrays.add(PopulationStatistics.ofArray(part.toArray()));
            ofArrays = PopulationStatistics.ofArray(ofArrays.toArray());
        }
        assertThat(ofArrays.toArray()).isEqualTo(inProcess.toArray());
        assertThat(ofArrays.exact().mean()).isEqualTo(inProcess.exact().mean());
        assertThat(ofArrays.exact().variance()).isEqualTo(inProcess.exact().variance());
        assertThat(ofArrays.algorithm2().variance())
                .isEqualTo(inProcess.algorithm2().variance());
    }

    @Test
    void aLayerInfersWithThem() {
        try (BatchNorm layer = BatchNorm.builder(C).build()) {
            PopulationStatistics.Estimate population = gather(false, 0, 4).exact();
            layer.setRunningStatistics(population);
            assertThat(layer.numBatchesTracked()).isEqualTo(4);
            float[] y = new float[C];
            layer.eval().forward(new float[] {1, 2, 3}, y, BatchShape.of(1, C));
            for (int c = 0; c < C; c++) {
                double expected =
                        (c + 1 - population.mean()[c]) / Math.sqrt(population.variance()[c] + 1e-5);
                assertThat((double) y[c]).isCloseTo(expected, within(1e-5));
            }
        }
        try (BatchNorm other = BatchNorm.builder(C + 1).build()) {
            assertThatIllegalArgumentException()
                    .isThrownBy(
                            () -> other.setRunningStatistics(gather(false, 0, 4).exact()))
                    .withMessage("population: of 3 features given, must have the layer's 4");
            assertThat(other.runningMean()).containsOnly(0);
        }
    }

    @Test
    void batchesOfOneValueCountExactlyButHaveNoVarianceOfTheirOwn() {
        PopulationStatistics population = gather(false, 0, 1);
        Moments single = new Moments(C);
        try (BatchNormFunction function = BatchNormFunction.builder(C).build()) {
            function.collectStatistics(Batch.of(new float[] {7, 8, 9}, BatchShape.of(1, C)), single);
        }
        population.add(single);
        population.add(new Moments(C));
        assertThat(population.batches()).isEqualTo(2);
        double[] all = DoubleStream.concat(Arrays.stream(feature(0, 0, 1)), DoubleStream.of(7))
                .toArray();
        assertThat(population.exact().variance()[0]).isCloseTo(unbiased(all), CLOSE);
        assertThatIllegalStateException()
                .isThrownBy(population::algorithm2)
                .withMessageContaining("one of 1 value was added; leave it out, or take exact()");
    }

    @Test
    void whatIsNoBatchIsRefused() {
        PopulationStatistics none = new PopulationStatistics(C);
        assertThatIllegalStateException().isThrownBy(none::exact).withMessageContaining("0 added");
        assertThatIllegalStateException().isThrownBy(none::algorithm2).withMessageContaining("none added");
        SavedStatistics saved = new SavedStatistics(C);
        assertThatIllegalStateException()
                .isThrownBy(() -> none.add(saved))
                .withMessageContaining("no forward has filled it");
        try (BatchNorm layer = BatchNorm.builder(C).build()) {
            layer.eval().forward(batches[0], new float[16 * C], BatchShape.of(16, C), saved);
            assertThatIllegalStateException()
                    .isThrownBy(() -> none.add(saved))
                    .withMessageContaining("filled with given statistics");
        }
        assertThatIllegalArgumentException()
                .isThrownBy(() -> none.add(new Moments(2)))
                .withMessage("batch: statistics of 2 features given, must have the 3 of these");
        assertThatIllegalArgumentException().isThrownBy(() -> none.add(none)).withMessageContaining("themselves");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> PopulationStatistics.ofArray(new double[7]))
                .withMessageContaining("array: double[7] given, must have 3 values and 5 for each feature");
        assertThatIllegalArgumentException().isThrownBy(() -> new PopulationStatistics(0));
        assertThat(none.batches()).isZero();
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new PopulationStatistics.Estimate(new double[2], new double[3], 1))
                .withMessageContaining("variance: double[3] given, must have one value for each of the 2 means");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new PopulationStatistics.Estimate(new double[2], new double[2], 0))
                .withMessageContaining("batches: 0 given");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> PopulationStatistics.ofArray(new double[] {-5, 1, 0, 0, 0, 0, 0, 0}))
                .withMessageContaining("array: count -5.0");
    }

    private PopulationStatistics gather(boolean fromForward, int from, int to) {
        PopulationStatistics population = new PopulationStatistics(C);
        SavedStatistics saved = new SavedStatistics(C);
        Moments moments = new Moments(C);
        try (BatchNorm layer = BatchNorm.builder(C).build();
                BatchNormFunction function = BatchNormFunction.builder(C).build()) {
            for (int b = from; b < to; b++) {
                BatchShape shape = BatchShape.of(SIZES[b], C);
                if (fromForward) {
                    layer.forward(batches[b], new float[SIZES[b] * C], shape, saved);
                    population.add(saved);
                } else {
                    function.collectStatistics(Batch.of(batches[b], shape), moments);
                    population.add(moments);
                }
            }
        }
        return population;
    }

    private static float[][] batches() {
        Random random = new Random(3);
        float[][] batches = new float[SIZES.length][];
        for (int b = 0; b < SIZES.length; b++) {
            batches[b] = new float[SIZES[b] * C];
            for (int i = 0; i < batches[b].length; i++) {
                batches[b][i] = (float) (random.nextGaussian() + b + i % C);
            }
        }
        return batches;
    }

    private double[] feature(int c, int from, int to) {
        return IntStream.range(from, to)
                .boxed()
                .flatMapToDouble(b -> IntStream.range(0, SIZES[b]).mapToDouble(r -> batches[b][r * C + c]))
                .toArray();
    }

    private static double mean(double[] values) {
        return Arrays.stream(values).average().orElseThrow();
    }

    private static double unbiased(double[] values) {
        double mean = mean(values);
        return Arrays.stream(values).map(v -> (v - mean) * (v - mean)).sum() / (values.length - 1);
    }
}

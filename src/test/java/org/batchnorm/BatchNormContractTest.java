package org.batchnorm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.DoubleUnaryOperator;
import java.util.stream.Stream;
import org.batchnorm.conformance.CaseResult;
import org.batchnorm.conformance.ConformanceCase;
import org.batchnorm.conformance.ConformanceCheck;
import org.batchnorm.conformance.ConformanceFiles;
import org.batchnorm.conformance.Quantity;
import org.batchnorm.conformance.Reference;
import org.batchnorm.conformance.Rounded;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.Layout;
import org.batchnorm.state.Safetensors;
import org.batchnorm.state.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What every backend must do, seen through the layer. A backend's test class extends this one and names the backend,
 * which is forced: a backend that cannot be used fails its tests. Values are held against the double-precision
 * {@link Reference} with the same bar as the conformance cases; where two ways to the same result are compared, bit by
 * bit.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
public abstract class BatchNormContractTest {

    /** The backend's name. */
    protected abstract String backend();

    /** A builder that forces the backend; a backend with several devices may set one. */
    protected BatchNormBuilder builder(int features) {
        return BatchNorm.builder(features).backend(backend());
    }

    /** The shapes on which everything must hold. */
    protected Stream<BatchShape> shapes() {
        return Stream.of(
                BatchShape.of(3, 3),
                BatchShape.of(3, 1),
                BatchShape.of(5, 2),
                BatchShape.of(7, 13),
                BatchShape.of(16, 16),
                BatchShape.of(31, 17),
                BatchShape.of(64, 33),
                BatchShape.of(67, 129),
                BatchShape.of(4, 1021),
                BatchShape.of(1009, 3),
                BatchShape.of(4099, 1),
                BatchShape.of(1024, 64),
                BatchShape.channelsFirst(1, 1, 7),
                BatchShape.channelsFirst(1, 5, 3),
                BatchShape.channelsFirst(3, 1, 5),
                BatchShape.channelsFirst(5, 7, 13),
                BatchShape.channelsFirst(3, 17, 1, 9),
                BatchShape.channelsFirst(2, 16, 8, 8),
                BatchShape.channelsFirst(4, 3, 31, 33),
                BatchShape.channelsFirst(1, 2, 9001),
                BatchShape.channelsFirst(2, 5, 3, 7, 11),
                BatchShape.channelsLast(1, 1, 7),
                BatchShape.channelsLast(1, 5, 3),
                BatchShape.channelsLast(5, 7, 13),
                BatchShape.channelsLast(3, 17, 1, 9),
                BatchShape.channelsLast(2, 16, 8, 8),
                BatchShape.channelsLast(4, 3, 31, 33),
                BatchShape.channelsLast(2, 5, 3, 7, 11));
    }

    /** Fewer shapes, of every kind: for what is unlikely to depend on the extents. */
    protected Stream<BatchShape> fewShapes() {
        return Stream.of(
                BatchShape.of(37, 19), BatchShape.channelsFirst(3, 7, 5, 11), BatchShape.channelsLast(3, 7, 5, 11));
    }

    /** Shapes large enough that several threads or workgroups share the work. */
    protected Stream<BatchShape> largeShapes() {
        return Stream.of(
                BatchShape.of(20_011, 13),
                BatchShape.of(300, 1000),
                BatchShape.channelsFirst(3, 5, 20_011),
                BatchShape.channelsFirst(64, 32, 14, 14),
                BatchShape.channelsLast(5, 37, 41, 43));
    }

    /** The conformance cases of float32 and float64. */
    protected Stream<ConformanceCase> conformanceCases() {
        return ConformanceFiles.all().filter(given -> !given.type().is16Bit());
    }

    /** Those of 16-bit types. */
    Stream<ConformanceCase> conformanceCasesOf16Bits() {
        return ConformanceFiles.all().filter(given -> given.type().is16Bit());
    }

    // ---- values

    @ParameterizedTest
    @MethodSource("conformanceCases")
    void passesTheConformanceCase(ConformanceCase given) {
        requirePass(given);
    }

    /** Apart, as what watches a device may take neighbours that share a word for one value. */
    @ParameterizedTest
    @MethodSource("conformanceCasesOf16Bits")
    void passesTheConformanceCaseOf16Bits(ConformanceCase given) {
        requirePass(given);
    }

    private void requirePass(ConformanceCase given) {
        CaseResult result = ConformanceCheck.run(given, builder -> builder.backend(backend()));
        assumeFalse(result.refused(), () -> given.name() + ": " + result.message());
        assertThat(result.message()).isEmpty();
        assertThat(result.pass()).isTrue();
        assertThat(result.backend()).isEqualTo(backend());
        assertThat(result.quantities()).isNotEmpty();
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void trainingAgreesWithTheReference(BatchShape shape) {
        Values batch = Values.random(shape, 1);
        try (BatchNorm layer = builder(shape.c()).momentum(0.3).build()) {
            Step step = Step.run(layer, batch).isWithinBarOfTraining(batch, layer.config());
            Reference.Statistics statistics = Reference.statistics(
                    shape, Reference.widen(batch.x()), layer.config().eps());
            double[] unbiased = Reference.unbiased(statistics.variance(), shape.valuesPerFeature());
            step.isWithinBar(
                    Quantity.RUNNING_MEAN,
                    Reference.updateRunning(zeros(shape), statistics.mean(), 0.3),
                    Rounded.runningMean(shape, statistics.variance(), 0.3));
            step.isWithinBar(Quantity.RUNNING_VAR, Reference.updateRunning(ones(shape), unbiased, 0.3));
            assertThat(layer.numBatchesTracked()).isEqualTo(1);
        }
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void inferenceAgreesWithTheReference(BatchShape shape) {
        Values batch = Values.random(shape, 2);
        try (BatchNorm layer = builder(shape.c()).build()) {
            setRunningStatistics(layer, 3);
            layer.eval();
            Step step = Step.run(layer, batch);
            step.isWithinBarOfInference(batch, layer.config(), layer.runningMean(), layer.runningVar());
            assertThat(step.get(Quantity.MEAN)).isEqualTo(layer.runningMean());
        }
    }

    /** Shapes with one value per feature are valid in inference alone. */
    @ParameterizedTest
    @ValueSource(ints = {1, 2, 17})
    void inferenceTakesOneSample(int features) {
        BatchShape shape = BatchShape.of(1, features);
        Values batch = Values.random(shape, 2);
        try (BatchNorm layer = builder(features).build()) {
            setRunningStatistics(layer, 3);
            layer.eval();
            Step.run(layer, batch)
                    .isWithinBarOfInference(batch, layer.config(), layer.runningMean(), layer.runningVar());
        }
    }

    @Test
    void inferenceTakesAnEmptyBatch() {
        try (BatchNorm layer = builder(3).build()) {
            layer.eval();
            layer.forward(new float[0], new float[0], BatchShape.of(0, 3));
            layer.forward(
                    MemorySegment.ofArray(new float[0]), MemorySegment.ofArray(new float[0]), BatchShape.of(0, 3));
            assertThat(layer.numBatchesTracked()).isZero();
        }
    }

    /** As in PyTorch: nothing is written, statistics and gradients stay, and the batch is counted. */
    @ParameterizedTest
    @MethodSource("shapesWithoutValues")
    void aBatchWithoutValuesIsCountedAndChangesNothingElse(BatchShape none) {
        Values batch = Values.random(BatchShape.of(6, 3), 32);
        float[] nothing = {};
        try (BatchNorm layer = builder(3).build()) {
            layer.forward(nothing, nothing, none);
            assertThat(layer.runningMean()).containsOnly(0);
            assertThat(layer.runningVar()).containsOnly(1);
            Step step = Step.run(layer, batch);
            Map<String, Tensor> before = layer.state();

            SavedStatistics saved = new SavedStatistics(3);
            layer.forward(nothing, nothing, none, saved);
            layer.backward(nothing, nothing, nothing, none, saved);
            layer.useBatchStatistics(false).updateRunningStatistics(false);
            layer.forward(batch.x(), new float[18], batch.shape());
            layer.updateRunningStatistics(true);
            layer.forward(nothing, nothing, none);
            layer.backward(nothing, nothing, nothing, none);
            layer.freezeStatistics();
            layer.forward(nothing, nothing, none);
            layer.backward(nothing, nothing, nothing, none);
            layer.eval();
            layer.forward(nothing, nothing, none);
            assertThat(layer.numBatchesTracked()).isEqualTo(4);
            assertThat(layer.state()).containsAllEntriesOf(withoutCount(before));
            assertThat(layer.weightGradient()).isEqualTo(step.get(Quantity.DWEIGHT));
            assertThat(layer.biasGradient()).isEqualTo(step.get(Quantity.DBIAS));
        }
        try (BatchNorm untracked = builder(3).trackRunningStatistics(false).build()) {
            untracked.eval();
            untracked.forward(nothing, nothing, none);
        }
    }

    static Stream<BatchShape> shapesWithoutValues() {
        return Stream.of(
                BatchShape.of(0, 3),
                BatchShape.channelsFirst(0, 3, 7),
                BatchShape.channelsFirst(4, 3, 0),
                BatchShape.channelsLast(4, 3, 2, 0));
    }

    private static Map<String, Tensor> withoutCount(Map<String, Tensor> state) {
        Map<String, Tensor> others = new HashMap<>(state);
        others.remove("num_batches_tracked");
        return others;
    }

    /** The count goes on: after a first batch without values, the second has the weight 1/2. */
    @Test
    void aBatchWithoutValuesCountsInTheCumulativeAverage() {
        Values batch = Values.random(BatchShape.of(8, 3), 33);
        try (BatchNorm layer = builder(3).cumulativeAverage().build();
                BatchNorm half = builder(3).momentum(0.5).build()) {
            layer.forward(new float[0], new float[0], BatchShape.of(0, 3));
            Step.run(layer, batch);
            Step.run(half, batch);
            assertThat(layer.numBatchesTracked()).isEqualTo(2);
            assertThat(layer.runningMean()).isEqualTo(half.runningMean());
            assertThat(layer.runningVar()).isEqualTo(half.runningVar());
        }
    }

    /** With two values per feature dx is what eps leaves of it, far below float32's rounding of dy. */
    @Test
    void twoValuesPerFeatureAreEnough() {
        Stream.of(
                        BatchShape.of(2, 5),
                        BatchShape.of(2, 1),
                        BatchShape.channelsFirst(1, 5, 2),
                        BatchShape.channelsLast(1, 5, 2))
                .forEach(shape -> {
                    Values batch = Values.random(shape, 21);
                    try (BatchNorm layer = builder(shape.c()).build()) {
                        Step.run(layer, batch).isWithinBarOfTraining(batch, layer.config());
                    }
                });
    }

    /** Central differences of the loss Σ dy · y in double precision, against the layer's analytic gradients. */
    @ParameterizedTest
    @MethodSource("gradientShapes")
    void gradientsAgreeWithFiniteDifferences(BatchShape shape) {
        // Of the name, as the hash of an enum is another one in every run.
        Values batch = Values.random(shape, shape.toString().hashCode());
        double[] x = Reference.widen(batch.x());
        double[] weight = Reference.widen(batch.weight());
        double[] bias = Reference.widen(batch.bias());
        try (BatchNorm layer = builder(shape.c()).eps(1e-3).build()) {
            Step step = Step.run(layer, batch);
            double[] dx = new double[x.length];
            Arrays.setAll(dx, i -> difference(x, i, moved -> loss(batch, moved, weight, bias)));
            double[] dweight = new double[weight.length];
            Arrays.setAll(dweight, c -> difference(weight, c, moved -> loss(batch, x, moved, bias)));
            double[] dbias = new double[bias.length];
            Arrays.setAll(dbias, c -> difference(bias, c, moved -> loss(batch, x, weight, moved)));
            assertClose(step.get(Quantity.DX), dx);
            assertClose(step.get(Quantity.DWEIGHT), dweight);
            assertClose(step.get(Quantity.DBIAS), dbias);
        }
    }

    /** Small random shapes, the same in every run. */
    protected Stream<BatchShape> gradientShapes() {
        Random random = new Random(5);
        return Stream.generate(() -> new BatchShape(
                        2 + random.nextInt(6),
                        1 + random.nextInt(5),
                        1 + random.nextInt(4),
                        random.nextBoolean() ? Layout.CHANNELS_FIRST : Layout.CHANNELS_LAST))
                .filter(shape -> shape.valuesPerFeature() > 3)
                .limit(8);
    }

    // ---- hard numbers

    @ParameterizedTest
    @MethodSource("fewShapes")
    void aLargeMeanCostsNothing(BatchShape shape) {
        for (double mean : new double[] {1e3, 1e5, -1e5, 1e6}) {
            trainsWithinBar(Values.random(shape, 4, mean, 1));
        }
    }

    @ParameterizedTest
    @MethodSource("fewShapes")
    void smallAndLargeValuesKeepTheirPrecision(BatchShape shape) {
        for (double spread : new double[] {1e-30, 1e-12, 1e-4, 1e4, 1e12, 1e18}) {
            trainsWithinBar(Values.random(shape, 5, 0, spread));
        }
    }

    /** Variances beyond float32's range: the running ones would be infinite, the normalized values are not. */
    @ParameterizedTest
    @MethodSource("fewShapes")
    void squaresBeyondTheRangeDoNotMatterToNormalizedValues(BatchShape shape) {
        trainsWithinBar(Values.random(shape, 6, 0, 1e30));
    }

    @ParameterizedTest
    @MethodSource("fewShapes")
    void aTinyVarianceUnderALargeMeanIsExact(BatchShape shape) {
        trainsWithinBar(Values.random(shape, 7, 100, 1e-3));
    }

    @ParameterizedTest
    @MethodSource("fewShapes")
    void aConstantFeatureIsNormalizedToZero(BatchShape shape) {
        Values batch = Values.random(shape, 8);
        float[] x = new float[batch.x().length];
        for (int i = 0; i < x.length; i++) {
            x[i] = 0.1f + Reference.feature(shape, i);
        }
        try (BatchNorm layer = builder(shape.c()).build()) {
            Step step = Step.run(layer, batch.withX(x)).isWithinBarOfTraining(batch.withX(x), layer.config());
            for (int i = 0; i < x.length; i++) {
                assertThat(step.get(Quantity.Y)[i]).isEqualTo(batch.bias()[Reference.feature(shape, i)]);
            }
        }
    }

    /** The first values of each feature are far from the others, as in a file whose first rows are special. */
    @ParameterizedTest
    @MethodSource("fewShapes")
    void anOutlierAtTheStartDoesNotSpoilTheMean(BatchShape shape) {
        Values batch = Values.random(shape, 9);
        float[] x = batch.x().clone();
        boolean[] seen = new boolean[shape.c()];
        for (int i = 0; i < x.length; i++) {
            int c = Reference.feature(shape, i);
            x[i] = seen[c] ? x[i] : 1e4f;
            seen[c] = true;
        }
        trainsWithinBar(batch.withX(x));
    }

    /**
     * A mean of dy of a thousand deviations is taken out again: what is left of it is what float32 rounds of dy itself.
     */
    @ParameterizedTest
    @MethodSource("fewShapes")
    void aLargeMeanOfTheGradientCostsItsRoundingOnly(BatchShape shape) {
        Values batch = Values.random(shape, 10);
        float[] dy = batch.dy().clone();
        for (int i = 0; i < dy.length; i++) {
            dy[i] += 1000;
        }
        try (BatchNorm layer = builder(shape.c()).affine(false).build()) {
            double[] x = Reference.widen(batch.x());
            Reference.Statistics statistics =
                    Reference.statistics(shape, x, layer.config().eps());
            Reference.Gradients gradients =
                    Reference.backward(shape, x, Reference.widen(dy), null, statistics.mean(), statistics.rstd(), true);
            double rounding =
                    8 * 0x1p-24 * 1000 * Arrays.stream(statistics.rstd()).max().orElseThrow();
            double[] dx = Reference.widen(Step.run(layer, batch.withDy(dy)).get(Quantity.DX));
            Near.assertNear("dx", dx, gradients.dx(), rounding);
        }
    }

    private void trainsWithinBar(Values batch) {
        try (BatchNorm layer =
                builder(batch.shape().c()).trackRunningStatistics(false).build()) {
            Step.run(layer, batch).isWithinBarOfTraining(batch, layer.config());
        }
    }

    // ---- NaN and infinity

    /** Where something that is not finite may stand. */
    enum Place {
        X,
        DY,
        WEIGHT,
        RUNNING_MEAN
    }

    @ParameterizedTest
    @EnumSource(Place.class)
    void whatIsNotFiniteSpoilsItsFeatureOnly(Place place) {
        int spoiled = 3;
        fewShapes().forEach(shape -> {
            for (boolean training : new boolean[] {true, false}) {
                Values clean = Values.random(shape, 11);
                Step expected = stepWith(clean, training, place, spoiled, 0.5f);
                for (float value : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
                    Step step = stepWith(clean, training, place, spoiled, value);
                    step.isBitwiseButInFeature(spoiled, expected);
                    float[] touched = step.get(
                            place == Place.DY
                                    ? Quantity.DX
                                    : place == Place.RUNNING_MEAN && training ? Quantity.RUNNING_MEAN : Quantity.Y);
                    assertThat(allFinite(touched))
                            .as("%s %s in %s", place, value, shape)
                            .isFalse();
                }
            }
        });
    }

    /** One NaN among the inputs of a feature makes all its outputs NaN in training, as in PyTorch. */
    @Test
    void aNanInTrainingIsNotHidden() {
        BatchShape shape = BatchShape.of(37, 5);
        Step step = stepWith(Values.random(shape, 12), true, Place.X, 3, Float.NaN);
        for (int i = 0; i < shape.elements(); i++) {
            if (Reference.feature(shape, i) == 3) {
                assertThat(step.get(Quantity.Y)[i]).isNaN();
                assertThat(step.get(Quantity.DX)[i]).isNaN();
            }
        }
        assertThat(step.get(Quantity.RUNNING_MEAN)[3]).isNaN();
        assertThat(step.get(Quantity.RUNNING_VAR)[3]).isNaN();
        assertThat(step.get(Quantity.DWEIGHT)[3]).isNaN();
        assertThat(step.get(Quantity.DBIAS)[3]).isFinite();
    }

    /** Where an infinity among the inputs makes an infinity and where it makes NaN, as the formulas say. */
    @ParameterizedTest
    @MethodSource("fewShapes")
    void anInfinityGoesWhereTheFormulasTakeIt(BatchShape shape) {
        for (boolean training : new boolean[] {true, false}) {
            for (Place place : new Place[] {Place.X, Place.DY}) {
                Values batch = Values.random(shape, 11);
                place(batch, place, 3, Float.POSITIVE_INFINITY);
                try (BatchNorm layer = builder(shape.c()).build()) {
                    setRunningStatistics(layer, 13);
                    float[] mean = layer.runningMean().clone();
                    float[] variance = layer.runningVar().clone();
                    if (training) {
                        Step.run(layer, batch).isWithinBarOfTraining(batch, layer.config());
                    } else {
                        layer.eval();
                        Step.run(layer, batch).isWithinBarOfInference(batch, layer.config(), mean, variance);
                    }
                }
            }
        }
    }

    private Step stepWith(Values clean, boolean training, Place place, int feature, float value) {
        BatchShape shape = clean.shape();
        Values batch = new Values(
                shape, clean.x().clone(), clean.dy().clone(), clean.weight().clone(), clean.bias());
        try (BatchNorm layer = builder(shape.c()).build()) {
            setRunningStatistics(layer, 13);
            if (place == Place.RUNNING_MEAN) {
                layer.runningMean()[feature] = value;
            } else {
                place(batch, place, feature, value);
            }
            if (!training) {
                layer.eval();
            }
            return Step.run(layer, batch);
        }
    }

    private static void place(Values batch, Place place, int feature, float value) {
        int at = 0;
        for (int i = 0; i < batch.shape().elements() / 2; i++) {
            at = Reference.feature(batch.shape(), i) == feature ? i : at;
        }
        switch (place) {
            case X -> batch.x()[at] = value;
            case DY -> batch.dy()[at] = value;
            case WEIGHT -> batch.weight()[feature] = value;
            case RUNNING_MEAN -> throw new IllegalArgumentException("place: the running mean is not the batch's");
        }
    }

    // ---- modes and options

    @ParameterizedTest
    @MethodSource("fewShapes")
    void frozenStatisticsAreUsedAndLeftAlone(BatchShape shape) {
        Values batch = Values.random(shape, 14);
        try (BatchNorm layer = builder(shape.c()).build()) {
            setRunningStatistics(layer, 15);
            Map<String, Tensor> before = layer.state();
            layer.freezeStatistics();
            Step.run(layer, batch)
                    .isWithinBarOfInference(batch, layer.config(), layer.runningMean(), layer.runningVar());
            assertThat(layer.state().get("running_mean")).isEqualTo(before.get("running_mean"));
            assertThat(layer.state().get("running_var")).isEqualTo(before.get("running_var"));
            assertThat(layer.numBatchesTracked()).isZero();
            assertThat(layer.isTraining()).isTrue();
        }
    }

    /** The layer's own saved statistics do for a frozen layer as well. */
    @Test
    void aFrozenLayerKeepsWhatItsBackwardNeeds() {
        BatchShape shape = BatchShape.of(9, 4);
        Values batch = Values.random(shape, 14);
        try (BatchNorm layer = builder(4).build()) {
            setRunningStatistics(layer, 15);
            layer.freezeStatistics();
            Step expected = Step.run(layer, batch);
            layer.zeroGradients();
            float[] y = new float[batch.x().length];
            float[] dx = new float[batch.x().length];
            layer.forward(batch.x(), y, shape);
            layer.backward(batch.x(), batch.dy(), dx, shape);
            Step.of(layer, shape, y, dx).isBitwise(expected);
        }
    }

    @ParameterizedTest
    @MethodSource("fewShapes")
    void withoutAffineParametersTheOutputIsNormalized(BatchShape shape) {
        Values batch = Values.random(shape, 16);
        try (BatchNorm layer = builder(shape.c()).affine(false).build()) {
            Step.run(layer, batch).isWithinBarOfTraining(batch, layer.config());
            layer.eval();
            float[] mean = layer.runningMean().clone();
            float[] variance = layer.runningVar().clone();
            Step.run(layer, batch).isWithinBarOfInference(batch, layer.config(), mean, variance);
            assertThat(layer.state()).containsOnlyKeys("running_mean", "running_var", "num_batches_tracked");
        }
    }

    @ParameterizedTest
    @MethodSource("fewShapes")
    void withoutTrackedStatisticsInferenceUsesTheBatchs(BatchShape shape) {
        Values batch = Values.random(shape, 17);
        try (BatchNorm layer = builder(shape.c()).trackRunningStatistics(false).build()) {
            Step training = Step.run(layer, batch).isWithinBarOfTraining(batch, layer.config());
            layer.eval();
            Step.run(layer, batch).isBitwise(training);
            float[] y = new float[batch.x().length];
            layer.forward(batch.x(), y, shape);
            assertThat(y).isEqualTo(training.get(Quantity.Y));
            assertThat(layer.state()).containsOnlyKeys("weight", "bias");
            assertThat(layer.numBatchesTracked()).isZero();
        }
    }

    @Test
    void theCumulativeAverageIsThePlainOne() {
        BatchShape shape = BatchShape.of(23, 5);
        double[] meanSum = zeros(shape);
        double[] varSum = zeros(shape);
        try (BatchNorm layer = builder(5).cumulativeAverage().build()) {
            for (int batches = 1; batches <= 7; batches++) {
                Values batch = Values.random(shape, batches);
                Step.run(layer, batch);
                Reference.Statistics statistics = Reference.statistics(
                        shape, Reference.widen(batch.x()), layer.config().eps());
                double[] unbiased = Reference.unbiased(statistics.variance(), 23);
                double[] mean = new double[5];
                double[] variance = new double[5];
                for (int c = 0; c < 5; c++) {
                    meanSum[c] += statistics.mean()[c];
                    varSum[c] += unbiased[c];
                    mean[c] = meanSum[c] / batches;
                    variance[c] = varSum[c] / batches;
                }
                Step.assertWithinBar(Quantity.RUNNING_MEAN, layer.runningMean(), mean);
                Step.assertWithinBar(Quantity.RUNNING_VAR, layer.runningVar(), variance);
                assertThat(layer.numBatchesTracked()).isEqualTo(batches);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(doubles = {0, 0.1, 0.5, 1})
    void momentumIsTheWeightOfTheNewestBatch(double momentum) {
        BatchShape shape = BatchShape.channelsFirst(4, 3, 6);
        double[] mean = zeros(shape);
        double[] variance = ones(shape);
        try (BatchNorm layer = builder(3).momentum(momentum).build()) {
            for (int seed = 0; seed < 4; seed++) {
                Values batch = Values.random(shape, seed);
                Step.run(layer, batch);
                Reference.Statistics statistics = Reference.statistics(
                        shape, Reference.widen(batch.x()), layer.config().eps());
                mean = Reference.updateRunning(mean, statistics.mean(), momentum);
                variance = Reference.updateRunning(variance, Reference.unbiased(statistics.variance(), 24), momentum);
            }
            Step.assertWithinBar(Quantity.RUNNING_MEAN, layer.runningMean(), mean);
            Step.assertWithinBar(Quantity.RUNNING_VAR, layer.runningVar(), variance);
        }
    }

    @Test
    void whichStatisticsAreUsedAndWhetherTheyAreUpdatedAreIndependent() {
        BatchShape shape = BatchShape.of(19, 6);
        Values batch = Values.random(shape, 18);
        for (boolean use : new boolean[] {true, false}) {
            for (boolean update : new boolean[] {true, false}) {
                try (BatchNorm layer = builder(6).build()) {
                    setRunningStatistics(layer, 19);
                    float[] meanBefore = layer.runningMean().clone();
                    float[] varBefore = layer.runningVar().clone();
                    layer.useBatchStatistics(use).updateRunningStatistics(update);
                    Step step = Step.run(layer, batch);
                    if (use) {
                        step.isWithinBarOfTraining(batch, layer.config());
                    } else {
                        step.isWithinBarOfInference(batch, layer.config(), meanBefore, varBefore);
                    }
                    if (update) {
                        Reference.Statistics statistics = Reference.statistics(
                                shape,
                                Reference.widen(batch.x()),
                                layer.config().eps());
                        step.isWithinBar(
                                Quantity.RUNNING_MEAN,
                                Reference.updateRunning(Reference.widen(meanBefore), statistics.mean(), 0.1),
                                Rounded.runningMean(shape, statistics.variance(), 0.1));
                        step.isWithinBar(
                                Quantity.RUNNING_VAR,
                                Reference.updateRunning(
                                        Reference.widen(varBefore),
                                        Reference.unbiased(statistics.variance(), 19),
                                        0.1));
                    } else {
                        assertThat(layer.runningMean()).isEqualTo(meanBefore);
                        assertThat(layer.runningVar()).isEqualTo(varBefore);
                    }
                    assertThat(layer.numBatchesTracked()).isEqualTo(update ? 1 : 0);
                }
            }
        }
    }

    @Test
    void inferenceChangesNothing() {
        BatchShape shape = BatchShape.of(12, 3);
        Values batch = Values.random(shape, 20);
        try (BatchNorm layer = builder(3).build()) {
            Step.run(layer, batch);
            layer.eval();
            Map<String, Tensor> before = layer.state();
            float[] y = new float[batch.x().length];
            layer.forward(batch.x(), y, shape);
            assertThat(layer.state()).isEqualTo(before);
        }
    }

    // ---- memory

    @ParameterizedTest
    @MethodSource("fewShapes")
    void inPlaceGivesTheSameBits(BatchShape shape) {
        Values batch = Values.random(shape, 22);
        try (BatchNorm expecting = builder(shape.c()).build();
                BatchNorm layer = builder(shape.c()).build()) {
            Step expected = Step.run(expecting, batch);
            setParameters(layer, batch);
            float[] data = batch.x().clone();
            layer.forward(data, data, shape);
            float[] gradient = batch.dy().clone();
            layer.backward(batch.x(), gradient, gradient, shape);
            Step.of(layer, shape, data, gradient).isBitwise(expected);

            layer.eval();
            expecting.eval();
            float[] inferred = batch.x().clone();
            layer.forward(inferred, inferred, shape);
            float[] y = new float[inferred.length];
            expecting.forward(batch.x(), y, shape);
            assertThat(inferred).isEqualTo(y);
        }
    }

    @ParameterizedTest
    @MethodSource("fewShapes")
    void theGradientMayReplaceTheInput(BatchShape shape) {
        Values batch = Values.random(shape, 23);
        for (boolean frozen : new boolean[] {false, true}) {
            try (BatchNorm expecting = builder(shape.c()).build();
                    BatchNorm layer = builder(shape.c()).build()) {
                if (frozen) {
                    expecting.freezeStatistics();
                    layer.freezeStatistics();
                }
                Step expected = Step.run(expecting, batch);
                setParameters(layer, batch);
                float[] data = batch.x().clone();
                float[] y = new float[data.length];
                layer.forward(data, y, shape);
                layer.backward(data, batch.dy(), data, shape);
                Step.of(layer, shape, y, data).isBitwise(expected);
            }
        }
    }

    /** The kinds of memory that a segment may be. */
    enum Memory {
        ARRAY,
        SLICE_OF_ARRAY,
        INT_ARRAY,
        OFF_HEAP,
        SLICE_OFF_HEAP
    }

    @ParameterizedTest
    @EnumSource(Memory.class)
    void segmentsOfEveryKindGiveTheSameBits(Memory memory) {
        fewShapes().forEach(shape -> {
            Values batch = Values.random(shape, 24);
            try (BatchNorm expecting = builder(shape.c()).build();
                    BatchNorm layer = builder(shape.c()).build();
                    Arena arena = Arena.ofConfined()) {
                Step expected = Step.run(expecting, batch);
                setParameters(layer, batch);
                Guarded x = new Guarded(memory, arena, batch.x());
                Guarded y = new Guarded(memory, arena, new float[batch.x().length]);
                Guarded dy = new Guarded(memory, arena, batch.dy());
                Guarded dx = new Guarded(memory, arena, new float[batch.x().length]);
                SavedStatistics saved = new SavedStatistics(shape.c());
                layer.forward(x.segment.asReadOnly(), y.segment, shape, saved);
                layer.backward(x.segment.asReadOnly(), dy.segment.asReadOnly(), dx.segment, shape, saved);
                Step.of(layer, shape, y.values(), dx.values()).isBitwise(expected);
                assertThat(x.values()).isEqualTo(batch.x());
                assertThat(dy.values()).isEqualTo(batch.dy());

                layer.eval();
                expecting.eval();
                layer.forward(x.segment, x.segment, shape);
                float[] inferred = new float[batch.x().length];
                expecting.forward(batch.x(), inferred, shape);
                assertThat(x.values()).isEqualTo(inferred);
                for (Guarded each : List.of(x, y, dy, dx)) {
                    each.assertNothingElseWritten();
                }
            }
        });
    }

    @Test
    void aSegmentMayBeLongerThanTheBatch() {
        BatchShape shape = BatchShape.of(5, 3);
        Values batch = Values.random(shape, 25);
        try (BatchNorm layer = builder(3).build();
                Arena arena = Arena.ofConfined()) {
            MemorySegment x = arena.allocate(100, 4);
            MemorySegment y = arena.allocate(100, 4).fill((byte) 77);
            MemorySegment.copy(batch.x(), 0, x, ValueLayout.JAVA_FLOAT, 0, 15);
            layer.forward(x, y, shape);
            assertThat(y.asSlice(60).toArray(ValueLayout.JAVA_BYTE)).containsOnly(77);
        }
    }

    /** Memory for one tensor with known bytes around it. */
    private static final class Guarded {
        private static final int GUARD = 5;
        private static final float GUARD_VALUE = -12345.5f;

        private final MemorySegment whole;
        private final MemorySegment segment;

        Guarded(Memory memory, Arena arena, float[] values) {
            boolean slice = memory == Memory.SLICE_OF_ARRAY || memory == Memory.SLICE_OFF_HEAP;
            int guard = slice ? GUARD : 0;
            int elements = values.length + 2 * guard;
            whole = switch (memory) {
                case ARRAY, SLICE_OF_ARRAY -> MemorySegment.ofArray(new float[elements]);
                case INT_ARRAY -> MemorySegment.ofArray(new int[elements]);
                case OFF_HEAP, SLICE_OFF_HEAP -> arena.allocate(ValueLayout.JAVA_FLOAT, elements);
            };
            for (int i = 0; i < elements; i++) {
                boolean inside = i >= guard && i < guard + values.length;
                whole.setAtIndex(ValueLayout.JAVA_FLOAT, i, inside ? values[i - guard] : GUARD_VALUE);
            }
            segment = whole.asSlice(4L * guard, 4L * values.length);
        }

        float[] values() {
            return segment.toArray(ValueLayout.JAVA_FLOAT);
        }

        void assertNothingElseWritten() {
            float[] all = whole.toArray(ValueLayout.JAVA_FLOAT);
            int guard = (all.length - values().length) / 2;
            for (int i = 0; i < guard; i++) {
                assertThat(all[i]).as("before the tensor").isEqualTo(GUARD_VALUE);
                assertThat(all[all.length - 1 - i]).as("after the tensor").isEqualTo(GUARD_VALUE);
            }
        }
    }

    // ---- determinism and threads

    @ParameterizedTest
    @MethodSource("largeShapes")
    void theBitsDoNotDependOnTheNumberOfThreadsOrTheRun(BatchShape shape) {
        Values batch = Values.random(shape, 26);
        Step trained = null;
        Step inferred = null;
        for (int threads : new int[] {1, 1, 2, 3, 7}) {
            try (BatchNorm layer = builder(shape.c()).threads(threads).build()) {
                Step first = Step.run(layer, batch);
                trained = trained == null ? first.isWithinBarOfTraining(batch, layer.config()) : trained;
                first.isBitwise(trained);
                layer.resetRunningStatistics();
                Step.run(layer, batch).isBitwise(trained);
                layer.eval();
                Step inference = Step.run(layer, batch);
                inferred = inferred == null
                        ? inference.isWithinBarOfInference(
                                batch, layer.config(), layer.runningMean(), layer.runningVar())
                        : inferred;
                inference.isBitwise(inferred);
            }
        }
    }

    @Test
    void inferenceRunsInSeveralThreadsAtOnce() throws Exception {
        BatchShape shape = BatchShape.channelsFirst(6, 9, 31);
        try (BatchNorm layer = builder(9).threads(2).build();
                ExecutorService threads = Executors.newFixedThreadPool(4)) {
            setRunningStatistics(layer, 27);
            layer.eval();
            List<Callable<Void>> work = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                Values batch = Values.random(shape, 28 + i);
                float[] expected = new float[batch.x().length];
                layer.forward(batch.x(), expected, shape);
                SavedStatistics saved = new SavedStatistics(9);
                work.add(() -> {
                    for (int repeat = 0; repeat < 50; repeat++) {
                        float[] y = new float[batch.x().length];
                        layer.forward(batch.x(), y, shape);
                        assertThat(y).isEqualTo(expected);
                        layer.forward(batch.x(), y, shape, saved);
                        assertThat(y).isEqualTo(expected);
                    }
                    return null;
                });
            }
            for (Future<Void> done : threads.invokeAll(work)) {
                done.get();
            }
        }
    }

    // ---- several batches

    @Test
    void gradientsAccumulateUntilTheyAreZeroed() {
        BatchShape shape = BatchShape.of(11, 4);
        Values one = Values.random(shape, 29);
        Values two = Values.random(shape, 30);
        try (BatchNorm layer = builder(4).build()) {
            float[] y = new float[one.x().length];
            float[] dx = new float[one.x().length];
            float[] sum = new float[4];
            for (Values batch : List.of(one, two)) {
                layer.zeroGradients();
                layer.forward(batch.x(), y, shape);
                layer.backward(batch.x(), batch.dy(), dx, shape);
                for (int c = 0; c < 4; c++) {
                    sum[c] += layer.weightGradient()[c];
                }
            }
            layer.zeroGradients();
            assertThat(layer.weightGradient()).containsOnly(0);
            assertThat(layer.biasGradient()).containsOnly(0);
            for (Values batch : List.of(one, two)) {
                layer.forward(batch.x(), y, shape);
                layer.backward(batch.x(), batch.dy(), dx, shape);
            }
            assertThat(layer.weightGradient()).isEqualTo(sum);
        }
    }

    @Test
    void severalForwardsMayWaitForTheirBackwards() {
        List<BatchShape> shapes = List.of(BatchShape.of(11, 4), BatchShape.of(5, 4), BatchShape.channelsLast(3, 4, 7));
        try (BatchNorm expecting = builder(4).build();
                BatchNorm layer = builder(4).build()) {
            List<Values> batches = new ArrayList<>();
            List<Step> expected = new ArrayList<>();
            List<SavedStatistics> saved = new ArrayList<>();
            for (BatchShape shape : shapes) {
                Values batch = Values.random(shape, shape.elements());
                batches.add(new Values(shape, batch.x(), batch.dy(), layer.weight(), layer.bias()));
                expected.add(Step.run(expecting, batches.getLast()));
                saved.add(new SavedStatistics(4));
            }
            for (int i = 0; i < batches.size(); i++) {
                Values batch = batches.get(i);
                layer.forward(batch.x(), new float[batch.x().length], batch.shape(), saved.get(i));
            }
            for (int i : new int[] {1, 2, 0}) {
                Values batch = batches.get(i);
                float[] dx = new float[batch.x().length];
                layer.backward(batch.x(), batch.dy(), dx, batch.shape(), saved.get(i));
                assertThat(dx).isEqualTo(expected.get(i).get(Quantity.DX));
            }
        }
    }

    @Test
    void batchesMayDifferInSize() {
        try (BatchNorm layer = builder(7).build()) {
            for (int n : new int[] {64, 17, 64, 2, 3, 100}) {
                Values batch = Values.random(BatchShape.of(n, 7), n);
                try (BatchNorm fresh = builder(7).build()) {
                    fresh.loadState(layer.state());
                    Step.run(layer, batch).isBitwise(Step.run(fresh, batch));
                }
            }
            assertThat(layer.numBatchesTracked()).isEqualTo(6);
        }
    }

    @Test
    void theStateSurvivesAFile(@TempDir Path folder) throws IOException {
        Values batch = Values.random(BatchShape.of(33, 6), 31);
        try (BatchNorm layer = builder(6).build();
                BatchNorm other = builder(6).build()) {
            Step.run(layer, batch);
            Path file = folder.resolve("state.safetensors");
            Safetensors.write(file, layer.state(), Map.of("format", "pt"));
            other.loadState(Safetensors.read(file).tensors());
            assertThat(other.state()).isEqualTo(layer.state());
            assertThat(other.numBatchesTracked()).isEqualTo(1);
            Step.run(layer.eval(), batch).isBitwise(Step.run(other.eval(), batch));
        }
    }

    // ---- helpers

    private static void setParameters(BatchNorm layer, Values batch) {
        System.arraycopy(batch.weight(), 0, layer.weight(), 0, batch.weight().length);
        System.arraycopy(batch.bias(), 0, layer.bias(), 0, batch.bias().length);
    }

    private static void setRunningStatistics(BatchNorm layer, long seed) {
        Random random = new Random(seed);
        for (int c = 0; c < layer.config().features(); c++) {
            layer.runningMean()[c] = (float) random.nextGaussian();
            layer.runningVar()[c] = 0.5f + random.nextFloat();
        }
    }

    private static boolean allFinite(float[] values) {
        for (float value : values) {
            if (!Float.isFinite(value)) {
                return false;
            }
        }
        return true;
    }

    private static double[] zeros(BatchShape shape) {
        return new double[shape.c()];
    }

    private static double[] ones(BatchShape shape) {
        double[] ones = new double[shape.c()];
        Arrays.fill(ones, 1);
        return ones;
    }

    /** A function of a whole vector. */
    private interface Loss {
        double of(double[] values);
    }

    private static double difference(double[] at, int index, Loss loss) {
        double step = 1e-5;
        DoubleUnaryOperator after = move -> {
            double[] moved = at.clone();
            moved[index] += move;
            return loss.of(moved);
        };
        return (after.applyAsDouble(step) - after.applyAsDouble(-step)) / (2 * step);
    }

    private static double loss(Values batch, double[] x, double[] weight, double[] bias) {
        Reference.Statistics statistics = Reference.statistics(batch.shape(), x, 1e-3);
        double[] y = Reference.transform(batch.shape(), x, weight, bias, statistics.mean(), statistics.rstd());
        double loss = 0;
        for (int i = 0; i < y.length; i++) {
            loss += batch.dy()[i] * y[i];
        }
        return loss;
    }

    private static void assertClose(float[] actual, double[] expected) {
        double scale = Arrays.stream(expected).map(Math::abs).max().orElse(0);
        Near.assertNear("gradient", Reference.widen(actual), expected, 2e-6 * scale + 1e-8);
    }
}

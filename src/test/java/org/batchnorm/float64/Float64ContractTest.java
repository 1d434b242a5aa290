package org.batchnorm.float64;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.batchnorm.BatchNorm;
import org.batchnorm.Combinations;
import org.batchnorm.Mode;
import org.batchnorm.SavedStatistics;
import org.batchnorm.conformance.Reference;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.spi.Activation;
import org.batchnorm.spi.Activations;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What a layer of FLOAT64 must do on every backend that takes it, held against exact results: shapes, modes, memory,
 * activations, residuals.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
public abstract class Float64ContractTest {
    private static final Activations BOTH = new Activations(Activation.leakyRelu(0.25), Activation.relu());

    /** Where the tensors lie. */
    protected enum Place {
        ARRAYS,
        OFF_HEAP,
        CONFINED,
        PART_OF_AN_ARRAY,
        READ_ONLY_INPUTS
    }

    /** How the outputs lie to the inputs. */
    enum Sharing {
        APART,
        Y_IS_X_AND_DX_IS_DY,
        DX_IS_X
    }

    record Case(BatchShape shape, Mode mode, Place place, Sharing sharing, Activations activations, boolean residual) {}

    static final List<BatchShape> SHAPES = List.of(
            BatchShape.of(5, 2),
            BatchShape.of(4, 261),
            BatchShape.of(97, 3),
            BatchShape.channelsFirst(5, 3, 13),
            BatchShape.channelsFirst(2, 2, 3, 89),
            BatchShape.channelsFirst(17, 3, 70),
            BatchShape.channelsLast(3, 7, 31));

    static final List<Place> PLACES = List.of(Place.values());
    static final List<Sharing> SHARINGS = List.of(Sharing.values());
    static final List<Activations> ACTIVATIONS = List.of(
            Activations.NONE,
            new Activations(Activation.relu(), Activation.NONE),
            new Activations(Activation.NONE, Activation.leakyRelu(0.01)),
            BOTH);

    /** Every way in which tensors come to the backend. */
    protected List<Place> places() {
        return PLACES;
    }

    /** The backend under test. */
    protected abstract String backend();

    /** One of every kind of block or grid. */
    protected List<BatchShape> shapes() {
        return SHAPES;
    }

    /** Those of them of fewer than a thousand values, of every layout. */
    private List<BatchShape> small() {
        return shapes().stream().filter(shape -> shape.elements() < 1000).toList();
    }

    private Outputs train(Inputs in) {
        return Layers.train(in, backend());
    }

    /** Any two of what a step is, and of where its tensors lie. */
    Stream<Case> pairs() {
        return combinations(2, places(), SHARINGS);
    }

    /** All combinations of what a step is, in one place. */
    Stream<Case> steps() {
        return combinations(Combinations.ALL, List.of(Place.ARRAYS), List.of(Sharing.APART));
    }

    private Stream<Case> combinations(int strength, List<Place> places, List<Sharing> sharings) {
        return Combinations.covering(
                strength,
                choice -> new Case(
                        choice.of(shapes()),
                        choice.of(List.of(Mode.values())),
                        choice.of(places),
                        choice.of(sharings),
                        choice.of(ACTIVATIONS),
                        choice.either()));
    }

    @ParameterizedTest
    @MethodSource("pairs")
    void everyQuantityIsWithinTheBar(Case given) {
        Inputs in = inputs(given);
        run(given, in, backend(), 1).isWithinBar(in);
    }

    @Tag("thorough")
    @ParameterizedTest
    @MethodSource("steps")
    void everyQuantityOfEveryStepIsWithinTheBar(Case given) {
        everyQuantityIsWithinTheBar(given);
    }

    @ParameterizedTest
    @ValueSource(doubles = {0, 1e9})
    void theStagesAreWithinTheBar(double mean) {
        for (BatchShape shape : shapes()) {
            Inputs in = Inputs.random(shape, 14, mean, 1);
            OperationsTest.stages(backend(), in).isWithinBar(in);
        }
    }

    @ParameterizedTest
    @ValueSource(strings = {"training", "inference"})
    void conformanceFilesPass(String mode, @TempDir Path folder) throws IOException {
        CasesTest.requirePass(folder, mode, backend());
    }

    static Inputs inputs(Case given) {
        Inputs in = Inputs.random(given.shape, 11).withZeros().with(given.activations);
        in = given.residual ? in.withResidual(12) : in;
        return given.mode == Mode.TRAINING ? in : in.withGivenStatistics(13);
    }

    /** Forward and, but in inference, backward. */
    static Outputs run(Case given, Inputs in, String backend, int threads) {
        try (Arena arena = given.place == Place.CONFINED ? Arena.ofConfined() : Arena.ofShared();
                BatchNorm layer = Layers.layer(in, backend, threads)) {
            layer.mode(given.mode);
            Batch x = batch(given, in.x(), arena, false);
            Batch y = given.sharing == Sharing.Y_IS_X_AND_DX_IS_DY && given.place != Place.READ_ONLY_INPUTS
                    ? x
                    : batch(given, new double[in.x().length], arena, true);
            Batch residual =
                    in.residual() == null ? null : batch(given, Objects.requireNonNull(in.residual()), arena, false);
            SavedStatistics saved = new SavedStatistics(given.shape.c());
            if (residual == null) {
                layer.forward(x, y, saved);
            } else {
                layer.forward(x, residual, y, saved);
            }
            Outputs out = new Outputs();
            out.y = Layers.values(y);
            out.mean = saved.doubleMean();
            out.variance = saved.doubleVariance();
            out.rstd = saved.doubleRstd();
            if (given.mode != Mode.INFERENCE) {
                backward(given, in, layer, y, saved, arena, out);
            }
            return out;
        }
    }

    private static void backward(
            Case given, Inputs in, BatchNorm layer, Batch y, SavedStatistics saved, Arena arena, Outputs out) {
        boolean writable = given.place != Place.READ_ONLY_INPUTS;
        Batch x = batch(given, in.x(), arena, false);
        Batch dy = batch(given, in.dy(), arena, false);
        Batch dx = switch (given.sharing) {
            case Y_IS_X_AND_DX_IS_DY -> writable ? dy : batch(given, in.x(), arena, true);
            case DX_IS_X -> writable ? x : batch(given, in.x(), arena, true);
            case APART -> batch(given, in.x(), arena, true);
        };
        if (in.residual() == null) {
            layer.backward(x, dy, dx, saved);
        } else {
            Batch dresidual = given.sharing == Sharing.DX_IS_X ? y : batch(given, in.x(), arena, true);
            layer.backward(x, y, dy, dx, dresidual, saved);
            out.dresidual = Layers.values(dresidual);
        }
        out.dx = Layers.values(dx);
        out.dgamma = layer.doubleWeightGradient().clone();
        out.dbeta = layer.doubleBiasGradient().clone();
    }

    private static Batch batch(Case given, double[] values, Arena arena, boolean written) {
        return switch (given.place) {
            case ARRAYS -> Batch.of(values.clone(), given.shape);
            case OFF_HEAP, CONFINED ->
                Batch.of(arena.allocateFrom(ValueLayout.JAVA_DOUBLE, values), ElementType.FLOAT64, given.shape);
            case PART_OF_AN_ARRAY -> {
                double[] longer = new double[values.length + 5];
                Arrays.fill(longer, Double.NaN);
                System.arraycopy(values, 0, longer, 3, values.length);
                MemorySegment part = MemorySegment.ofArray(longer).asSlice(3 * Double.BYTES);
                yield Batch.of(part, ElementType.FLOAT64, given.shape);
            }
            case READ_ONLY_INPUTS -> {
                MemorySegment memory = MemorySegment.ofArray(values.clone());
                yield Batch.of(written ? memory : memory.asReadOnly(), ElementType.FLOAT64, given.shape);
            }
        };
    }

    // ---- values of every size

    @ParameterizedTest
    @CsvSource({"1e9,1", "-1e15,1", "0,1e-12", "1e-9,1e-12", "1e100,1e90", "0,1e140", "0,1e-100"})
    void farAndLargeAndSmallValuesKeepTheirPrecision(double mean, double spread) {
        keepTheirPrecision(mean, spread, Math.abs(mean) + spread > 1e50 ? small() : shapes());
    }

    /** Of such numbers the exact results take long. */
    @Tag("thorough")
    @ParameterizedTest
    @CsvSource({"1e100,1e90", "0,1e140"})
    void largeValuesKeepTheirPrecisionInAnyShape(double mean, double spread) {
        keepTheirPrecision(mean, spread, shapes());
    }

    private void keepTheirPrecision(double mean, double spread, List<BatchShape> shapes) {
        for (BatchShape shape : shapes) {
            Inputs in = Inputs.random(shape, 21, mean, spread).withEps(spread > 1 ? 1e-5 : spread * spread * 1e-5);
            train(in).isWithinBar(in);
        }
    }

    /** The squares of the distances are beyond float64, and so is the variance; rstd and y are not. */
    @ParameterizedTest
    @CsvSource({"0,1e200", "1e300,1e290", "0,1e307", "-1e308,1e300"})
    void squaresBeyondTheRangeDoNotMatter(double mean, double spread) {
        squaresBeyondTheRange(mean, spread, small());
    }

    @Tag("thorough")
    @ParameterizedTest
    @CsvSource({"0,1e200", "1e300,1e290", "0,1e307", "-1e308,1e300"})
    void squaresBeyondTheRangeDoNotMatterInAnyShape(double mean, double spread) {
        squaresBeyondTheRange(mean, spread, shapes());
    }

    private void squaresBeyondTheRange(double mean, double spread, List<BatchShape> shapes) {
        for (BatchShape shape : shapes) {
            Inputs in = Inputs.random(shape, 22, mean, spread);
            Outputs out = train(in);
            assertThat(out.variance).containsOnly(Double.POSITIVE_INFINITY);
            out.variance = null;
            out.isWithinBar(in);
        }
    }

    /** Their sum is beyond float64. */
    @Test
    void equalValuesNearTheLargest() {
        BatchShape shape = BatchShape.of(9, 2);
        double[] x = new double[18];
        Arrays.fill(x, 1.7e308);
        Inputs in = Inputs.random(shape, 23).withX(x);
        Outputs out = train(in);
        assertThat(out.mean).containsOnly(1.7e308);
        assertThat(out.variance).containsOnly(0);
        assertThat(out.rstd).containsOnly(1 / Math.sqrt(Inputs.EPS));
        assertThat(Arrays.copyOf(out.y, 2)).isEqualTo(in.beta());
        assertThat(out.dgamma).containsOnly(0);
    }

    @Test
    void aConstantFeatureIsNormalizedToBeta() {
        for (double value : new double[] {0, 1, 0.1, -1e15 / 3, 1e-300}) {
            for (BatchShape shape : shapes()) {
                double[] x = new double[(int) shape.elements()];
                Arrays.fill(x, value);
                Inputs in = Inputs.random(shape, 24).withX(x).withoutParameters();
                assertThat(train(in).y).containsOnly(0);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({"1e3", "1e6", "1e12"})
    void aLargeMeanOfTheGradientCostsItsRoundingOnly(double mean) {
        for (BatchShape shape : shapes()) {
            Inputs in = Inputs.random(shape, 25);
            Inputs moved = in.withDy(Arrays.stream(in.dy()).map(v -> v + mean).toArray());
            train(moved).isWithinBar(moved);
        }
    }

    @Test
    void twoValuesPerFeatureAreEnough() {
        for (BatchShape shape : List.of(BatchShape.of(2, 7), BatchShape.channelsFirst(1, 3, 2))) {
            Inputs in = Inputs.random(shape, 26);
            train(in).isWithinBar(in);
        }
    }

    // ---- what is not finite

    @ParameterizedTest
    @CsvSource({"NaN", "Infinity", "-Infinity"})
    void whatIsNotFiniteSpoilsItsFeatureOnly(double value) {
        for (BatchShape shape : shapes()) {
            Inputs in = Inputs.random(shape, 31);
            Outputs good = train(in);
            for (boolean inDy : new boolean[] {false, true}) {
                double[] spoilt = inDy ? in.dy().clone() : in.x().clone();
                int at = spoilt.length / 2;
                int feature = Reference.feature(shape, at);
                spoilt[at] = value;
                Inputs other = inDy ? in.withDy(spoilt) : in.withX(spoilt);
                Outputs out = train(other);
                requireReference(other, out);
                requireOthers(shape, feature, out.y, good.y);
                requireOthers(shape, feature, out.dx, good.dx);
                requireOthers(shape, feature, out.dgamma, good.dgamma);
                requireOthers(shape, feature, out.mean, good.mean);
            }
        }
    }

    /** NaN and infinities stand where the formulas take them. */
    private static void requireReference(Inputs in, Outputs out) {
        Reference.Statistics statistics = Reference.statistics(in.shape(), in.x(), in.eps());
        double[] y =
                Reference.transform(in.shape(), in.x(), in.gamma(), in.beta(), statistics.mean(), statistics.rstd());
        Reference.Gradients gradients =
                Reference.backward(in.shape(), in.x(), in.dy(), in.gamma(), statistics.mean(), statistics.rstd(), true);
        requireSameKinds("mean", out.mean, statistics.mean());
        requireSameKinds("variance", out.variance, statistics.variance());
        requireSameKinds("y", out.y, y);
        requireSameKinds("dgamma", out.dgamma, gradients.dgamma());
        requireSameKinds("dbeta", out.dbeta, gradients.dbeta());
        requireSameKinds("dx", out.dx, gradients.dx());
    }

    private static void requireSameKinds(String name, double[] actual, double[] expected) {
        for (int i = 0; i < actual.length; i++) {
            assertThat(kind(actual[i])).as(name + "[" + i + "]").isEqualTo(kind(expected[i]));
        }
    }

    private static String kind(double value) {
        return Double.isNaN(value) ? "NaN" : Double.isInfinite(value) ? "infinite" : "finite";
    }

    private static void requireOthers(BatchShape shape, int spoilt, double[] actual, double[] good) {
        for (int i = 0; i < actual.length; i++) {
            int feature = actual.length == shape.c() ? i : Reference.feature(shape, i);
            if (feature != spoilt) {
                assertThat(actual[i]).isEqualTo(good[i]);
            }
        }
    }

    // ---- running statistics

    @Test
    void runningStatisticsFollowInFloat64() {
        BatchShape shape = BatchShape.of(20, 3);
        Inputs in = Inputs.random(shape, 41, 1e9, 1);
        try (BatchNorm layer = Layers.layer(in, backend(), 1)) {
            Batch y = Batch.of(new double[60], shape);
            layer.forward(Batch.of(in.x(), shape), y);
            Outputs out = train(in);
            for (int c = 0; c < 3; c++) {
                double mean = 0.1 * Objects.requireNonNull(out.mean)[c];
                double variance = 0.9 + 0.1 * Objects.requireNonNull(out.variance)[c] * 20 / 19;
                assertThat(layer.doubleRunningMean()[c]).isCloseTo(mean, within(Math.ulp(mean)));
                assertThat(layer.doubleRunningVar()[c]).isCloseTo(variance, within(2 * Math.ulp(variance)));
            }
            assertThat(layer.numBatchesTracked()).isEqualTo(1);
        }
    }

    @Test
    void aBatchWithoutValuesChangesNothing() {
        for (BatchShape shape : List.of(BatchShape.of(0, 2), BatchShape.channelsFirst(3, 2, 0))) {
            try (BatchNorm layer = BatchNorm.builder(2)
                    .elementType(ElementType.FLOAT64)
                    .backend(backend())
                    .build()) {
                Batch none = Batch.of(new double[0], shape);
                layer.forward(none, none);
                layer.backward(none, none, none);
                assertThat(layer.doubleRunningMean()).containsOnly(0);
                assertThat(layer.doubleRunningVar()).containsOnly(1);
                assertThat(layer.doubleWeightGradient()).containsOnly(0);
                assertThat(layer.numBatchesTracked()).isEqualTo(1);
            }
        }
    }
}

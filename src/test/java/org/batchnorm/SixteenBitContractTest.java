package org.batchnorm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.OptionalDouble;
import java.util.stream.Stream;
import org.batchnorm.conformance.ErrorBound;
import org.batchnorm.conformance.Quantity;
import org.batchnorm.conformance.QuantityResult;
import org.batchnorm.conformance.Reference;
import org.batchnorm.conformance.Rounded;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.spi.Activation;
import org.batchnorm.spi.Activations;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * What a backend must do with x, y, dy and dx of 16-bit types, seen through the layer and held against the
 * double-precision {@link Reference}: the bar is that of float32, and half a unit in the last place of the type.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
public abstract class SixteenBitContractTest {

    /** The backend's name. */
    protected abstract String backend();

    /** Where a tensor lies. */
    enum Place {
        ARRAY,
        PART_OF_AN_ARRAY,
        OFF_HEAP,
        MIXED
    }

    /** Which outputs lie in the memory of an input, where their types are as wide; a residual's where there is one. */
    enum Sharing {
        APART,
        Y_IN_X_DX_IN_DY_DRESIDUAL_IN_Y,
        Y_IN_RESIDUAL_DX_IN_X_DRESIDUAL_IN_DY
    }

    /** The types of the tensors. */
    record Types(
            ElementType x, ElementType y, ElementType dy, ElementType dx, ElementType residual, ElementType dresidual) {

        Types(ElementType x, ElementType y, ElementType dy, ElementType dx) {
            this(x, y, dy, dx, x, dy);
        }

        static Types all(ElementType type) {
            return new Types(type, type, type, type);
        }
    }

    /**
     * A layer with a batch.
     *
     * @param adding a residual
     */
    protected record Case(
            BatchShape shape,
            Types types,
            Place place,
            Sharing sharing,
            Mode mode,
            Activations activations,
            boolean adding) {

        Case(BatchShape shape, Types types, Place place, Mode mode) {
            this(shape, types, place, Sharing.APART, mode, Activations.NONE, false);
        }
    }

    private static final ElementType F32 = ElementType.FLOAT32;
    private static final ElementType F16 = ElementType.FLOAT16;
    private static final ElementType BF16 = ElementType.BFLOAT16;
    private static final List<Types> TYPES = List.of(
            Types.all(F16),
            Types.all(BF16),
            new Types(F16, F32, F32, F16),
            new Types(F32, BF16, BF16, F32),
            new Types(BF16, BF16, F32, F32),
            new Types(F16, BF16, BF16, F16));

    private static final List<BatchShape> SHAPES = List.of(
            BatchShape.of(5, 2),
            BatchShape.of(2, 700),
            BatchShape.of(61, 200),
            BatchShape.of(300, 257),
            BatchShape.of(40, 2777),
            BatchShape.of(1009, 3),
            BatchShape.channelsFirst(5, 7, 13),
            BatchShape.channelsFirst(9, 3, 8, 11),
            BatchShape.channelsFirst(9, 3, 3000),
            BatchShape.channelsFirst(1, 2, 9001),
            BatchShape.channelsFirst(130, 9, 70),
            BatchShape.channelsLast(3, 17, 31),
            BatchShape.channelsLast(3, 40, 900));

    /** Those of the default build. */
    protected Stream<Case> pairs() {
        return combinations(2, SHAPES);
    }

    /** Those that the thorough build adds; there are too many for all. */
    protected Stream<Case> thorough() {
        return combinations(3, SHAPES);
    }

    /** Combinations of any so many of what there is to choose. */
    protected static Stream<Case> combinations(int strength, List<BatchShape> shapes) {
        List<ElementType> types = List.of(F16, BF16, F32);
        return Combinations.covering(
                strength,
                choice -> new Case(
                        choice.of(shapes),
                        new Types(
                                choice.of(types),
                                choice.of(types),
                                choice.of(types),
                                choice.of(types),
                                choice.of(types),
                                choice.of(types)),
                        choice.of(List.of(Place.values())),
                        choice.of(List.of(Sharing.values())),
                        choice.of(List.of(Mode.values())),
                        new Activations(
                                choice.of(List.of(Activation.NONE, Activation.leakyRelu(0.25), Activation.relu())),
                                choice.of(List.of(Activation.relu(), Activation.NONE, Activation.leakyRelu(0.125)))),
                        choice.either()));
    }

    @ParameterizedTest
    @MethodSource("pairs")
    void agreesWithTheReference(Case given) {
        Values batch = rounded(Values.random(given.shape, 3, 0.5, 2).withZeros(), given.types);
        Results results = run(given, 2, batch);
        results.isWithinBar();
        Case apart = new Case(
                given.shape, given.types, Place.ARRAY, Sharing.APART, given.mode, given.activations, given.adding);
        results.isBitwise(run(apart, 1, batch));
        if (given.mode != Mode.TRAINING) {
            hasTheBitsOfFloat32(results);
        }
    }

    @Tag("thorough")
    @ParameterizedTest
    @MethodSource("thorough")
    void moreAgreesWithTheReference(Case given) {
        agreesWithTheReference(given);
    }

    /**
     * With given statistics float32's arithmetic is the same, and what remains is one rounding at each store. Behind a
     * residual backward goes on from what was stored.
     */
    private void hasTheBitsOfFloat32(Results results) {
        Case given = results.given;
        Activations before = given.activations.withOutput(Activation.NONE);
        Activations activations = given.adding ? before : given.activations;
        Case plain = new Case(given.shape, Types.all(F32), Place.ARRAY, Sharing.APART, given.mode, activations, false);
        boolean toDresidual = given.adding && given.mode != Mode.INFERENCE;
        Results float32 = run(plain, 1, toDresidual ? results.batch.withDy(results.dresidual) : results.batch);
        float[] y = float32.y.clone();
        for (int i = 0; given.adding && i < y.length; i++) {
            y[i] = given.activations.output().of(y[i] + results.residual[i]);
        }
        assertThat(results.y).as("y").isEqualTo(rounded(given.types.y, y));
        assertThat(results.dx).as("dx").isEqualTo(rounded(given.types.dx, float32.dx));
    }

    BatchNorm layer(Case given, int threads) {
        return BatchNorm.builder(given.shape.c())
                .backend(backend())
                .threads(threads)
                .inputActivation(given.activations.input())
                .activation(given.activations.output())
                .build()
                .mode(given.mode);
    }

    /** The same with values that the types hold. */
    static Values rounded(Values batch, Types types) {
        return batch.withX(rounded(types.x, batch.x())).withDy(rounded(types.dy, batch.dy()));
    }

    static float[] rounded(ElementType type, float[] values) {
        float[] rounded = values.clone();
        for (int i = 0; type.is16Bit() && i < values.length; i++) {
            rounded[i] = type.toFloat(type.toBits(values[i]));
        }
        return rounded;
    }

    /** Forward and, but in inference, backward. */
    Results run(Case given, int threads, Values batch) {
        try (Arena arena = Arena.ofShared();
                BatchNorm layer = layer(given, threads)) {
            for (int c = 0; c < given.shape.c(); c++) {
                layer.runningMean()[c] = 0.25f * (c % 3);
                layer.runningVar()[c] = 1 + c % 5;
            }
            System.arraycopy(batch.weight(), 0, layer.weight(), 0, batch.weight().length);
            System.arraycopy(batch.bias(), 0, layer.bias(), 0, batch.bias().length);
            Results results = new Results(given, batch);
            Batch x = batch(given, given.types.x, 0, batch.x(), arena);
            Batch residual = batch(given, given.types.residual, 4, results.residual, arena);
            float[] none = new float[batch.x().length];
            Batch y = switch (given.sharing) {
                case Y_IN_X_DX_IN_DY_DRESIDUAL_IN_Y -> in(x, given.types.y);
                case Y_IN_RESIDUAL_DX_IN_X_DRESIDUAL_IN_DY -> in(given.adding ? residual : null, given.types.y);
                case APART -> null;
            };
            y = y == null ? batch(given, given.types.y, 2, none, arena) : y;
            if (given.adding) {
                layer.forward(x, residual, y, results.saved);
            } else {
                layer.forward(x, y, results.saved);
            }
            results.y = floats(y);
            if (given.mode != Mode.INFERENCE) {
                backward(layer, y, results, arena);
            }
            if (given.sharing == Sharing.APART) {
                assertThat(floats(x)).as("x, an input").isEqualTo(batch.x());
                assertThat(floats(residual)).as("residual, an input").isEqualTo(results.residual);
            }
            return results;
        }
    }

    private static void backward(BatchNorm layer, Batch y, Results results, Arena arena) {
        Case given = results.given;
        Types types = given.types;
        Batch x = batch(given, types.x, 0, results.batch.x(), arena);
        Batch dy = batch(given, types.dy, 1, results.batch.dy(), arena);
        Batch dx = switch (given.sharing) {
            case Y_IN_X_DX_IN_DY_DRESIDUAL_IN_Y -> in(dy, types.dx);
            case Y_IN_RESIDUAL_DX_IN_X_DRESIDUAL_IN_DY -> in(x, types.dx);
            case APART -> null;
        };
        float[] none = new float[results.y.length];
        dx = dx == null ? batch(given, types.dx, 3, none, arena) : dx;
        if (given.adding) {
            Batch dresidual = switch (given.sharing) {
                case Y_IN_X_DX_IN_DY_DRESIDUAL_IN_Y -> in(y, types.dresidual);
                case Y_IN_RESIDUAL_DX_IN_X_DRESIDUAL_IN_DY -> in(dy, types.dresidual);
                case APART -> null;
            };
            dresidual = dresidual == null ? batch(given, types.dresidual, 5, none, arena) : dresidual;
            layer.backward(x, y, dy, dx, dresidual, results.saved);
            results.dresidual = floats(dresidual);
        } else {
            layer.backward(x, dy, dx, results.saved);
        }
        if (given.sharing == Sharing.APART) {
            assertThat(floats(dy)).as("dy, an input").isEqualTo(results.batch.dy());
        }
        results.dx = floats(dx);
        results.dgamma = layer.weightGradient().clone();
        results.dbeta = layer.biasGradient().clone();
    }

    /** A tensor in the memory of another one, if there is one and its type is as wide. */
    private static Batch in(Batch there, ElementType type) {
        return there == null || there.type().bytes() != type.bytes()
                ? null
                : Batch.of(there.segment(), type, there.shape());
    }

    static Batch batch(Case given, ElementType type, int number, float[] values, Arena arena) {
        boolean offHeap = given.place == Place.OFF_HEAP || (given.place == Place.MIXED && number % 2 == 0);
        int before = given.place == Place.PART_OF_AN_ARRAY ? 5 : 0;
        int count = values.length;
        if (offHeap) {
            MemorySegment memory = arena.allocate((long) (count + 1) * type.bytes(), type.bytes());
            fill(memory.asSlice(type.bytes()), type, values);
            return Batch.of(memory.asSlice(type.bytes()), type, given.shape);
        }
        MemorySegment memory = type.is16Bit()
                ? MemorySegment.ofArray(new short[before + count])
                : MemorySegment.ofArray(new float[before + count]);
        fill(memory.asSlice((long) before * type.bytes()), type, values);
        return Batch.of(memory.asSlice((long) before * type.bytes()), type, given.shape);
    }

    static void fill(MemorySegment memory, ElementType type, float[] values) {
        for (int i = 0; i < values.length; i++) {
            if (type.is16Bit()) {
                memory.setAtIndex(ValueLayout.JAVA_SHORT, i, type.toBits(values[i]));
            } else {
                memory.setAtIndex(ValueLayout.JAVA_FLOAT, i, values[i]);
            }
        }
    }

    static float[] floats(Batch batch) {
        float[] values = new float[(int) batch.shape().elements()];
        for (int i = 0; i < values.length; i++) {
            values[i] = batch.type().is16Bit()
                    ? batch.type().toFloat(batch.segment().getAtIndex(ValueLayout.JAVA_SHORT, i))
                    : batch.segment().getAtIndex(ValueLayout.JAVA_FLOAT, i);
        }
        return values;
    }

    // ---- values that are not ordinary

    /** y overflows float16 where it is beyond 65520, and bfloat16 where it is beyond the range of float32. */
    @Test
    void whatATypeDoesNotHoldIsInfinite() {
        BatchShape shape = BatchShape.of(40, 3);
        for (ElementType type : List.of(F16, BF16)) {
            Case given = new Case(shape, Types.all(type), Place.ARRAY, Mode.TRAINING);
            Values random = rounded(Values.random(shape, 8), given.types);
            float huge = type == F16 ? 40000 : 3e38f;
            float[] weight = {huge, 1, 1e-5f};
            Values batch = new Values(shape, random.x(), random.dy(), weight, new float[3]);
            Results results = run(given, 1, batch);
            results.isWithinBar();
            float largest = 0;
            for (float y : results.y) {
                largest = Math.max(largest, y);
            }
            assertThat(largest).isInfinite();
            assertThat(results.y[1]).isFinite();
        }
    }

    /** Subnormal float16, in x as in the results, and features of which float32 does not hold γ · rstd. */
    @Test
    void smallAndWideFeatures() {
        BatchShape shape = BatchShape.of(40, 3);
        for (Types types : TYPES) {
            Case given = new Case(shape, types, Place.ARRAY, Mode.TRAINING);
            Values random = Values.random(shape, 9);
            for (int i = 0; i < random.x().length; i += 3) {
                random.x()[i] *= 1e-6f;
                random.dy()[i] *= 1e-6f;
                // Beyond what float16 holds is not x.
                random.x()[i + 1] *= types.x == F16 ? 1 : 1e37f;
            }
            float[] weight = {3e-5f, types.x == F16 ? 3e38f : 1, 1};
            Values batch = rounded(new Values(shape, random.x(), random.dy(), weight, new float[3]), types);
            run(given, 1, batch).isWithinBar();
        }
    }

    @Test
    void aNanSpoilsItsFeatureAlone() {
        for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY}) {
            for (Types types : TYPES) {
                Case given = new Case(BatchShape.of(50, 40), types, Place.OFF_HEAP, Mode.TRAINING);
                Values clean = rounded(Values.random(given.shape, 10), types);
                Values spoiled = clean.withX(clean.x().clone());
                spoiled.x()[40 * 7 + 3] = bad;
                Results expected = run(given, 1, clean);
                Results results = run(given, 1, spoiled);
                for (int i = 3; i < results.y.length; i += 40) {
                    expected.y[i] = Float.NaN;
                    expected.dx[i] = Float.NaN;
                }
                assertThat(results.y).isEqualTo(expected.y);
                assertThat(results.dx).isEqualTo(expected.dx);
            }
        }
    }

    // ---- what else takes a batch

    @Test
    void aBatchWithoutValuesChangesNothing() {
        Batch none = Batch.of(new short[0], BF16, BatchShape.of(0, 3));
        try (BatchNorm layer = BatchNorm.builder(3).backend(backend()).build()) {
            layer.forward(none, none);
            layer.backward(none, none, none);
            assertThat(layer.numBatchesTracked()).isEqualTo(1);
            assertThat(layer.runningMean()).containsOnly(0);
        }
    }

    @Test
    void memoryOfTypesThatAreNotAsWideMayNotOverlap() {
        MemorySegment memory = MemorySegment.ofArray(new float[12]);
        Batch wide = Batch.of(memory, BatchShape.of(4, 3));
        Batch narrow = Batch.of(memory, F16, BatchShape.of(4, 3));
        try (BatchNorm layer = BatchNorm.builder(3).backend(backend()).build()) {
            assertThatThrownBy(() -> layer.forward(narrow, wide))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("y: overlaps x in 24 of 48 bytes; must be the same memory as x, of a type as wide, or"
                            + " have none in common with it");
            assertThatThrownBy(() -> layer.forward(wide, narrow)).isInstanceOf(IllegalArgumentException.class);
            assertThat(layer.numBatchesTracked()).isZero();
        }
    }

    @Test
    void paddedSequencesOfEveryType() {
        BatchShape shape = BatchShape.channelsFirst(3, 4, 6);
        int[] lengths = {6, 2, 5};
        for (Types types : TYPES) {
            Values batch = rounded(Values.random(shape, 13), types);
            try (Arena arena = Arena.ofShared();
                    BatchNorm layer = BatchNorm.builder(4).backend(backend()).build()) {
                PaddedSequences sequences = new PaddedSequences(layer, PaddedSequences.Padding.ZERO);
                float[] y32 = new float[72];
                float[] dx32 = new float[72];
                sequences.forward(Batch.of(batch.x(), shape), Batch.of(y32, shape), lengths);
                sequences.backward(Batch.of(batch.x(), shape), Batch.of(batch.dy(), shape), Batch.of(dx32, shape));
                Case given = new Case(shape, types, Place.PART_OF_AN_ARRAY, Mode.TRAINING);
                Batch x = batch(given, types.x, 0, batch.x(), arena);
                Batch y = batch(given, types.y, 0, batch.x(), arena);
                Batch dx = batch(given, types.dx, 0, batch.x(), arena);
                sequences.forward(x, y, lengths);
                sequences.backward(x, batch(given, types.dy, 0, batch.dy(), arena), dx);
                assertThat(floats(y)).isEqualTo(rounded(types.y, y32));
                assertThat(floats(dx)).isEqualTo(rounded(types.dx, dx32));
            }
        }
    }

    /** The statistics of slices, of micro-batches and of a population are those of the same values in float32. */
    @Test
    void partsOfABatch() {
        BatchShape shape = BatchShape.of(32, 5);
        for (Types types : TYPES) {
            Values batch = rounded(Values.random(shape, 14), types);
            Case given = new Case(shape, types, Place.ARRAY, Mode.TRAINING);
            try (Arena arena = Arena.ofShared();
                    BatchNorm ghost = BatchNorm.builder(5)
                            .backend(backend())
                            .ghostBatch(8)
                            .build();
                    BatchNorm layer = BatchNorm.builder(5).backend(backend()).build()) {
                Batch x = batch(given, types.x, 0, batch.x(), arena);
                Batch dy = batch(given, types.dy, 1, batch.dy(), arena);
                Batch y = batch(given, types.y, 2, batch.x(), arena);
                Batch dx = batch(given, types.dx, 3, batch.x(), arena);
                float[] y32 = new float[160];
                float[] dx32 = new float[160];
                ghost.forward(batch.x(), y32, shape);
                ghost.backward(batch.x(), batch.dy(), dx32, shape);
                ghost.forward(x, y);
                ghost.backward(x, dy, dx);
                assertNear(given, types.y, floats(y), y32);
                assertNear(given, types.dx, floats(dx), dx32);

                layer.forward(batch.x(), y32, shape);
                layer.backward(batch.x(), batch.dy(), dx32, shape);
                AccumulatedBatches accumulated = new AccumulatedBatches(layer);
                accumulated.collectStatistics(x.samples(0, 20));
                accumulated.collectStatistics(x.samples(20, 12));
                accumulated.mergeStatistics();
                accumulated.transform(x.samples(0, 20), y.samples(0, 20));
                accumulated.transform(x.samples(20, 12), y.samples(20, 12));
                accumulated.reduceGradients(x.samples(0, 20), dy.samples(0, 20));
                accumulated.reduceGradients(x.samples(20, 12), dy.samples(20, 12));
                accumulated.mergeGradients();
                accumulated.inputGradient(x.samples(0, 20), dy.samples(0, 20), dx.samples(0, 20));
                accumulated.inputGradient(x.samples(20, 12), dy.samples(20, 12), dx.samples(20, 12));
                assertNear(given, types.y, floats(y), y32);
                assertNear(given, types.dx, floats(dx), dx32);
            }
        }
    }

    /** Of results in training, whose statistics may differ in their last bits. */
    private static void assertNear(Case given, ElementType type, float[] actual, float[] expected) {
        double[] wide = Reference.widen(expected);
        double[] terms = new double[wide.length];
        Arrays.fill(terms, 4);
        QuantityResult result = ErrorBound.check(Quantity.Y, type, actual, wide, terms, OptionalDouble.empty());
        assertThat(result.message()).as("%s", given).isEmpty();
    }

    /** What a layer has made of a batch, and of a residual. */
    static final class Results {
        private final Case given;
        private final Values batch;
        private final float[] residual;
        private final SavedStatistics saved;
        float[] y = {};
        float[] dx = {};
        float[] dresidual = {};
        float[] dgamma = {};
        float[] dbeta = {};

        Results(Case given, Values batch) {
            this.given = given;
            this.batch = batch;
            this.residual = given.adding
                    ? rounded(
                            given.types.residual, Values.random(given.shape, 12).x())
                    : new float[batch.x().length];
            this.saved = new SavedStatistics(given.shape.c());
        }

        void isWithinBar() {
            BatchShape shape = given.shape;
            Activation input = given.activations.input();
            Activation output = given.activations.output();
            double[] a = new double[y.length];
            for (int i = 0; i < a.length; i++) {
                a[i] = input.of(batch.x()[i]);
            }
            double[] gamma = Reference.widen(batch.weight());
            double[] wideResidual = Reference.widen(residual);
            boolean ofBatch = given.mode == Mode.TRAINING;
            Reference.Statistics statistics = Reference.statistics(shape, a, BatchNormConfig.DEFAULT_EPS);
            double[] mean = ofBatch ? statistics.mean() : Reference.widen(saved.mean());
            double[] rstd = ofBatch ? statistics.rstd() : Reference.widen(saved.rstd());
            double[] bn = Reference.transform(shape, a, gamma, Reference.widen(batch.bias()), mean, rstd);
            double[] expected = Reference.addResidual(bn, wideResidual, output);
            check(Quantity.Y, given.types.y, y, expected, Rounded.withResidual(bn, wideResidual));
            if (given.mode == Mode.INFERENCE) {
                return;
            }
            float[] dy = batch.dy().clone();
            for (int i = 0; i < dy.length; i++) {
                dy[i] = output.gradient(dy[i], y[i]);
            }
            if (given.adding) {
                dy = rounded(given.types.dresidual, dy);
                assertThat(dresidual).as("dresidual").isEqualTo(dy);
            }
            double[] wideDy = Reference.widen(dy);
            Reference.Gradients gradients = Reference.backward(shape, a, wideDy, gamma, mean, rstd, ofBatch);
            Reference.Gradients terms = Rounded.gradients(shape, a, wideDy, gamma, mean, rstd, ofBatch);
            for (int i = 0; i < dy.length; i++) {
                gradients.dx()[i] *= input.derivative(batch.x()[i]);
                terms.dx()[i] *= input.derivative(batch.x()[i]);
            }
            check(Quantity.DX, given.types.dx, dx, gradients.dx(), terms.dx());
            check(Quantity.DWEIGHT, F32, dgamma, gradients.dgamma(), terms.dgamma());
            check(Quantity.DBIAS, F32, dbeta, gradients.dbeta(), terms.dbeta());
        }

        private void check(Quantity quantity, ElementType type, float[] actual, double[] expected, double[] terms) {
            QuantityResult result = given.shape.c() <= 256
                    ? ErrorBound.checkEachFeature(quantity, type, given.shape, actual, expected, terms)
                    : ErrorBound.check(quantity, type, actual, expected, terms, OptionalDouble.empty());
            assertThat(result.message()).as("beyond the bar").isEmpty();
        }

        void isBitwise(Results other) {
            assertThat(y).as("y").isEqualTo(other.y);
            assertThat(dx).as("dx").isEqualTo(other.dx);
            assertThat(dresidual).as("dresidual").isEqualTo(other.dresidual);
            assertThat(dgamma).as("dgamma").isEqualTo(other.dgamma);
            assertThat(dbeta).as("dbeta").isEqualTo(other.dbeta);
        }
    }
}

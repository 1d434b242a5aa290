package org.batchnorm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
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

    /** The types of the four tensors. */
    record Types(ElementType x, ElementType y, ElementType dy, ElementType dx) {
        static Types all(ElementType type) {
            return new Types(type, type, type, type);
        }
    }

    /** A layer with a batch. */
    record Case(BatchShape shape, Types types, Place place, Mode mode, Activation before, Activation after) {
        Case(BatchShape shape, Types types, Place place, Mode mode) {
            this(shape, types, place, mode, Activation.NONE, Activation.NONE);
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

    private static final List<Place> PLACES = List.of(Place.values());
    private static final List<Mode> MODES = List.of(Mode.values());
    private static final List<BatchShape> SHAPES = List.of(
            BatchShape.of(5, 2),
            BatchShape.of(2, 700),
            BatchShape.of(61, 200),
            BatchShape.of(300, 257),
            BatchShape.of(40, 2777),
            BatchShape.of(1009, 3),
            BatchShape.channelsFirst(5, 7, 13),
            BatchShape.channelsFirst(9, 3, 8, 11),
            BatchShape.channelsFirst(2, 5, 2100),
            BatchShape.channelsFirst(1, 2, 9001),
            BatchShape.channelsFirst(130, 3, 70),
            BatchShape.channelsLast(3, 17, 31),
            BatchShape.channelsLast(3, 40, 900));

    /** Those of the tests that go through them one by one. */
    protected List<BatchShape> shapes() {
        return SHAPES;
    }

    /** Every shape, type, place and mode with every value of each other, more or less. */
    Stream<Case> pairs() {
        List<BatchShape> shapes = shapes();
        List<Case> cases = new ArrayList<>();
        for (int i = 0; i < shapes.size(); i++) {
            for (int k = 0; k < 2; k++) {
                int number = 2 * i + k;
                cases.add(new Case(
                        shapes.get(i),
                        TYPES.get((number + i / 3) % TYPES.size()),
                        PLACES.get((number + i / 2) % PLACES.size()),
                        MODES.get((number + i) % MODES.size())));
            }
        }
        return cases.stream();
    }

    static Stream<Case> all() {
        return SHAPES.stream()
                .flatMap(shape -> TYPES.stream()
                        .flatMap(types -> PLACES.stream()
                                .flatMap(place -> MODES.stream().map(mode -> new Case(shape, types, place, mode)))));
    }

    @ParameterizedTest
    @MethodSource("pairs")
    void agreesWithTheReference(Case given) {
        check(given);
    }

    void check(Case given) {
        Values batch = rounded(Values.random(given.shape, 3, 0.5, 2), given.types);
        try (Arena arena = Arena.ofShared();
                BatchNorm layer = layer(given, 2)) {
            run(layer, batch, given, arena).isWithinBar();
        }
    }

    BatchNorm layer(Case given, int threads) {
        return BatchNorm.builder(given.shape.c())
                .backend(backend())
                .threads(threads)
                .inputActivation(given.before)
                .activation(given.after)
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

    private Results run(BatchNorm layer, Values batch, Case given, Arena arena) {
        for (int c = 0; c < given.shape.c(); c++) {
            layer.runningMean()[c] = 0.25f * (c % 3);
            layer.runningVar()[c] = 1 + c % 5;
        }
        Batch x = batch(given, given.types.x, 0, batch.x(), arena);
        Batch dy = batch(given, given.types.dy, 1, batch.dy(), arena);
        Batch y = batch(given, given.types.y, 2, new float[batch.x().length], arena);
        Batch dx = batch(given, given.types.dx, 3, new float[batch.x().length], arena);
        System.arraycopy(batch.weight(), 0, layer.weight(), 0, batch.weight().length);
        System.arraycopy(batch.bias(), 0, layer.bias(), 0, batch.bias().length);
        layer.zeroGradients();
        SavedStatistics saved = new SavedStatistics(given.shape.c());
        layer.forward(x, y, saved);
        Results results = new Results(given, batch, saved);
        results.y = floats(y);
        if (given.mode != Mode.INFERENCE) {
            layer.backward(x, dy, dx, saved);
            results.dx = floats(dx);
            results.dgamma = layer.weightGradient().clone();
            results.dbeta = layer.biasGradient().clone();
        }
        assertThat(floats(x)).as("x, an input").isEqualTo(batch.x());
        assertThat(floats(dy)).as("dy, an input").isEqualTo(batch.dy());
        return results;
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

    // ---- bits

    /** With given statistics float32's arithmetic is the same, and what remains is one rounding at the store. */
    @ParameterizedTest
    @MethodSource("activated")
    void withGivenStatisticsTheBitsAreThoseOfFloat32Rounded(Case given) {
        Types float32 = Types.all(F32);
        Case other = new Case(given.shape, float32, Place.ARRAY, given.mode, given.before, given.after);
        Values batch = rounded(Values.random(given.shape, 4, 0.5, 2), given.types);
        try (Arena arena = Arena.ofShared();
                BatchNorm layer = layer(given, 1);
                BatchNorm layer32 = layer(other, 1)) {
            Results results = run(layer, batch, given, arena);
            Results results32 = run(layer32, batch, other, arena);
            assertThat(results.y).isEqualTo(rounded(given.types.y, results32.y));
            assertThat(results.dx).isEqualTo(rounded(given.types.dx, results32.dx));
        }
    }

    Stream<Case> activated() {
        List<BatchShape> shapes = shapes();
        List<Case> cases = new ArrayList<>();
        for (int i = 0; i < shapes.size(); i++) {
            Types types = TYPES.get(i % TYPES.size());
            Place place = PLACES.get(i % PLACES.size());
            cases.add(new Case(shapes.get(i), types, place, Mode.FROZEN));
            Activation before = i % 2 == 0 ? Activation.relu() : Activation.leakyRelu(0.25f);
            Activation after = i % 3 == 0 ? Activation.NONE : Activation.leakyRelu(0.125f);
            cases.add(new Case(shapes.get(i), types, place, Mode.FROZEN, before, after));
        }
        return cases.stream();
    }

    /** In training the statistics may differ in their last bits, as sums are added up in another order. */
    @Test
    void trainsWithActivations() {
        for (Types types : TYPES) {
            Case given = new Case(
                    BatchShape.of(64, 24),
                    types,
                    Place.ARRAY,
                    Mode.TRAINING,
                    Activation.leakyRelu(0.25f),
                    Activation.relu());
            Case other = new Case(given.shape, Types.all(F32), Place.ARRAY, given.mode, given.before, given.after);
            Values batch = rounded(Values.random(given.shape, 5, 0.5, 2), types);
            try (Arena arena = Arena.ofShared();
                    BatchNorm layer = layer(given, 1);
                    BatchNorm layer32 = layer(other, 1)) {
                Results results = run(layer, batch, given, arena);
                Results results32 = run(layer32, batch, other, arena);
                assertNear(given, types.y, results.y, results32.y);
                assertNear(given, types.dx, results.dx, results32.dx);
                assertNear(given, F32, results.dgamma, results32.dgamma);
                assertNear(given, F32, results.dbeta, results32.dbeta);
            }
        }
    }

    private static void assertNear(Case given, ElementType type, float[] actual, float[] expected) {
        double[] wide = Reference.widen(expected);
        double[] terms = new double[wide.length];
        Arrays.fill(terms, 4);
        QuantityResult result = ErrorBound.check(Quantity.Y, type, actual, wide, terms, OptionalDouble.empty());
        assertThat(result.message()).as("%s", given).isEmpty();
    }

    @ParameterizedTest
    @MethodSource("large")
    void bitsDoNotDependOnThreads(Case given) {
        Values batch = rounded(Values.random(given.shape, 6, 0.5, 2), given.types);
        try (Arena arena = Arena.ofShared();
                BatchNorm one = layer(given, 1);
                BatchNorm two = layer(given, 2)) {
            run(two, batch, given, arena).isBitwise(run(one, batch, given, arena));
        }
    }

    static Stream<Case> large() {
        return Stream.of(
                new Case(BatchShape.of(700, 128), TYPES.get(0), Place.ARRAY, Mode.TRAINING),
                new Case(BatchShape.of(40, 2777), TYPES.get(1), Place.OFF_HEAP, Mode.TRAINING),
                new Case(BatchShape.channelsFirst(9, 3, 3000), TYPES.get(2), Place.MIXED, Mode.TRAINING),
                new Case(BatchShape.channelsFirst(40, 60, 30), TYPES.get(3), Place.ARRAY, Mode.FROZEN));
    }

    @Test
    void worksInPlace() {
        for (ElementType type : List.of(F16, BF16)) {
            for (Place place : List.of(Place.ARRAY, Place.OFF_HEAP)) {
                for (BatchShape shape : List.of(BatchShape.of(70, 300), BatchShape.channelsFirst(5, 3, 2500))) {
                    inPlace(new Case(shape, Types.all(type), place, Mode.TRAINING));
                }
            }
        }
    }

    private void inPlace(Case given) {
        Values batch = rounded(Values.random(given.shape, 7, 0.5, 2), given.types);
        try (Arena arena = Arena.ofShared();
                BatchNorm layer = layer(given, 2)) {
            Results expected = run(layer, batch, given, arena);
            layer.zeroGradients();
            SavedStatistics saved = new SavedStatistics(given.shape.c());
            Batch x = batch(given, given.types.x, 0, batch.x(), arena);
            Batch dy = batch(given, given.types.dy, 1, batch.dy(), arena);
            layer.forward(x, x, saved);
            assertThat(floats(x)).isEqualTo(expected.y);
            layer.backward(batch(given, given.types.x, 0, batch.x(), arena), dy, dy, saved);
            assertThat(floats(dy)).isEqualTo(expected.dx);
            assertThat(layer.weightGradient()).isEqualTo(expected.dgamma);
        }
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
            try (Arena arena = Arena.ofShared();
                    BatchNorm layer = layer(given, 1)) {
                Results results = run(layer, batch, given, arena);
                results.isWithinBar();
                float largest = 0;
                for (float y : results.y) {
                    largest = Math.max(largest, y);
                }
                assertThat(largest).isInfinite();
                assertThat(results.y[1]).isFinite();
            }
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
            try (Arena arena = Arena.ofShared();
                    BatchNorm layer = layer(given, 1)) {
                run(layer, batch, given, arena).isWithinBar();
            }
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
                try (Arena arena = Arena.ofShared();
                        BatchNorm layer = layer(given, 1)) {
                    Results expected = run(layer, clean, given, arena);
                    Results results = run(layer, spoiled, given, arena);
                    for (int i = 3; i < results.y.length; i += 40) {
                        expected.y[i] = Float.NaN;
                        expected.dx[i] = Float.NaN;
                    }
                    assertThat(results.y).isEqualTo(expected.y);
                    assertThat(results.dx).isEqualTo(expected.dx);
                }
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

    /** With ReLU dresidual is dy or 0, which its type holds. */
    @Test
    void residualsHaveTypesOfTheirOwn() {
        BatchShape shape = BatchShape.of(150, 129);
        for (ElementType type : List.of(F16, BF16)) {
            Case given = new Case(shape, Types.all(type), Place.MIXED, Mode.FROZEN, Activation.NONE, Activation.relu());
            Values batch = rounded(Values.random(shape, 11), given.types);
            float[] residual = rounded(type, Values.random(shape, 12).x());
            try (Arena arena = Arena.ofShared();
                    BatchNorm layer = layer(given, 2)) {
                float[] y32 = new float[residual.length];
                SavedStatistics saved = new SavedStatistics(shape.c());
                layer.forward(Batch.of(batch.x(), shape), Batch.of(residual, shape), Batch.of(y32, shape), saved);
                Batch x = batch(given, type, 0, batch.x(), arena);
                Batch y = batch(given, type, 1, new float[y32.length], arena);
                layer.forward(x, batch(given, type, 3, residual, arena), y, saved);
                assertThat(floats(y)).isEqualTo(rounded(type, y32));

                float[] dx32 = new float[y32.length];
                float[] dresidual32 = new float[y32.length];
                layer.backward(
                        Batch.of(batch.x(), shape),
                        Batch.of(floats(y), shape),
                        Batch.of(batch.dy(), shape),
                        Batch.of(dx32, shape),
                        Batch.of(dresidual32, shape),
                        saved);
                Batch dx = batch(given, type, 0, new float[y32.length], arena);
                Batch dresidual = batch(given, type, 1, new float[y32.length], arena);
                layer.forward(x, batch(given, type, 3, residual, arena), y, saved);
                layer.backward(x, y, batch(given, type, 2, batch.dy(), arena), dx, dresidual, saved);
                assertThat(floats(dresidual)).isEqualTo(dresidual32);
                assertThat(floats(dx)).isEqualTo(rounded(type, dx32));
            }
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

    /** What a layer has made of a batch. */
    static final class Results {
        private final Case given;
        private final Values batch;
        private final SavedStatistics saved;
        float[] y = {};
        float[] dx = {};
        float[] dgamma = {};
        float[] dbeta = {};

        Results(Case given, Values batch, SavedStatistics saved) {
            this.given = given;
            this.batch = batch;
            this.saved = saved;
        }

        void isWithinBar() {
            BatchShape shape = given.shape;
            double[] x = Reference.widen(batch.x());
            double[] dy = Reference.widen(batch.dy());
            double[] gamma = Reference.widen(batch.weight());
            boolean ofBatch = given.mode == Mode.TRAINING;
            Reference.Statistics statistics = Reference.statistics(shape, x, BatchNormConfig.DEFAULT_EPS);
            double[] mean = ofBatch ? statistics.mean() : Reference.widen(saved.mean());
            double[] rstd = ofBatch ? statistics.rstd() : Reference.widen(saved.rstd());
            double[] expected = Reference.transform(shape, x, gamma, Reference.widen(batch.bias()), mean, rstd);
            check(Quantity.Y, given.types.y, y, expected, Rounded.nothing(expected.length));
            if (given.mode != Mode.INFERENCE) {
                Reference.Gradients gradients = Reference.backward(shape, x, dy, gamma, mean, rstd, ofBatch);
                Reference.Gradients terms = Rounded.gradients(shape, x, dy, gamma, mean, rstd, ofBatch);
                check(Quantity.DX, given.types.dx, dx, gradients.dx(), terms.dx());
                check(Quantity.DWEIGHT, F32, dgamma, gradients.dgamma(), terms.dgamma());
                check(Quantity.DBIAS, F32, dbeta, gradients.dbeta(), terms.dbeta());
            }
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
            assertThat(dgamma).as("dgamma").isEqualTo(other.dgamma);
            assertThat(dbeta).as("dbeta").isEqualTo(other.dbeta);
        }
    }
}

package org.batchnorm;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
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
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * What a backend must do with x, y, dy and dx of 16-bit types, seen through the layer and held against the
 * double-precision {@link Reference}: the bar is that of float32, and half a unit in the last place of the type.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
abstract class SixteenBitContractTest {

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

    /** Every shape, type, place and mode with every value of each other, more or less. */
    static Stream<Case> pairs() {
        List<Case> cases = new ArrayList<>();
        for (int i = 0; i < SHAPES.size(); i++) {
            for (int k = 0; k < 2; k++) {
                int number = 2 * i + k;
                cases.add(new Case(
                        SHAPES.get(i),
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

    @Tag("thorough")
    @ParameterizedTest
    @MethodSource("all")
    void everyCombinationAgreesWithTheReference(Case given) {
        check(given);
    }

    private void check(Case given) {
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

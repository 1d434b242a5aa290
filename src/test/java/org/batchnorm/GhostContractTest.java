package org.batchnorm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.within;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.batchnorm.conformance.Quantity;
import org.batchnorm.conformance.Reference;
import org.batchnorm.conformance.Rounded;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.InProcessExchange;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * A layer of ghost batches does with a batch what a layer without does with its slices, one after the other: the same
 * bits. A backend's test class extends this one and names the backend.
 */
public abstract class GhostContractTest {
    private static final int C = 5;

    /** The backend's name. */
    protected abstract String backend();

    private BatchNormBuilder builder(int features) {
        return BatchNorm.builder(features).backend(backend()).momentum(0.3);
    }

    static Stream<Arguments> shapesAndSizes() {
        return Stream.of(
                arguments(BatchShape.of(24, C), 8),
                arguments(BatchShape.of(23, C), 8),
                arguments(BatchShape.of(5, C), 8),
                arguments(BatchShape.of(1003, C), 250),
                arguments(BatchShape.channelsFirst(7, C, 3, 11), 3),
                arguments(BatchShape.channelsFirst(4, C, 41), 1),
                arguments(BatchShape.channelsLast(7, C, 3, 11), 3),
                arguments(BatchShape.channelsLast(4, C, 41), 1),
                arguments(BatchShape.of(6, 1), 2));
    }

    @ParameterizedTest
    @MethodSource("shapesAndSizes")
    void slicesAreBatchesOfAPlainLayer(BatchShape shape, int size) {
        Values batch = Values.random(shape, 51, 3, 2);
        try (BatchNorm plain = builder(shape.c()).build();
                BatchNorm ghost = builder(shape.c()).ghostBatch(size).build()) {
            for (int epoch = 1; epoch <= 2; epoch++) {
                Step step = Step.run(ghost, batch);
                step.isBitwise(bySlices(plain, batch, size));
                assertThat(ghost.numBatchesTracked()).isEqualTo(plain.numBatchesTracked());
                gradientsAreSumsInDouble(step, batch, size);
            }
        }
    }

    /** dγ and dβ are those that the slices have in double precision, rounded once. */
    private void gradientsAreSumsInDouble(Step step, Values batch, int size) {
        int features = batch.shape().c();
        GradientSums all = new GradientSums(features);
        GradientSums ofSlice = new GradientSums(features);
        Parameters parameters = Parameters.of(batch.weight(), batch.bias());
        SavedStatistics saved = new SavedStatistics(features);
        try (BatchNormFunction function =
                BatchNormFunction.builder(features).backend(backend()).build()) {
            for (Values slice : slices(batch, size)) {
                Batch out = Batch.of(new float[slice.x().length], slice.shape());
                function.forward(Batch.of(slice.x(), slice.shape()), out, parameters, saved);
                Workspace gradient = function.take(
                        Batch.of(slice.x(), slice.shape()), Batch.of(slice.dy(), slice.shape()), out, saved);
                function.backward(gradient, parameters, saved, ofSlice);
                all.add(ofSlice);
            }
        }
        for (int c = 0; c < features; c++) {
            assertThat(step.get(Quantity.DWEIGHT)[c]).isEqualTo((float) all.dgamma()[c]);
            assertThat(step.get(Quantity.DBIAS)[c]).isEqualTo((float) all.dbeta()[c]);
        }
    }

    /** y, dx and the running statistics of a plain layer that is given the slices. */
    private static Step bySlices(BatchNorm plain, Values batch, int size) {
        float[] y = new float[batch.x().length];
        float[] dx = new float[batch.x().length];
        int start = 0;
        for (Values slice : slices(batch, size)) {
            Step step = Step.run(plain, slice);
            System.arraycopy(step.get(Quantity.Y), 0, y, start, slice.x().length);
            System.arraycopy(step.get(Quantity.DX), 0, dx, start, slice.x().length);
            start += slice.x().length;
        }
        return Step.of(plain, batch.shape(), y, dx).without(Quantity.DWEIGHT).without(Quantity.DBIAS);
    }

    private static List<Values> slices(Values batch, int size) {
        BatchShape shape = batch.shape();
        List<Values> slices = new ArrayList<>();
        for (long from = 0; from < shape.n(); from += size) {
            long n = Math.min(size, shape.n() - from);
            BatchShape slice = new BatchShape(n, shape.c(), shape.spatial(), shape.layout());
            int start = (int) (from * shape.c() * shape.spatial());
            int end = start + (int) slice.elements();
            slices.add(new Values(
                    slice,
                    Arrays.copyOfRange(batch.x(), start, end),
                    Arrays.copyOfRange(batch.dy(), start, end),
                    batch.weight(),
                    batch.bias()));
        }
        return slices;
    }

    /** Values of different slices differ by more than their spread, so the statistics of the whole are others. */
    @Test
    void statisticsAreThoseOfTheSlices() {
        BatchShape shape = BatchShape.of(8, C);
        Values batch = Values.random(shape, 52);
        for (int i = 4 * C; i < 8 * C; i++) {
            batch.x()[i] += 1000;
        }
        try (BatchNorm ghost = builder(C).ghostBatch(4).build();
                BatchNorm plain = builder(C).build()) {
            SavedStatistics saved = new SavedStatistics(C);
            SavedStatistics ofWhole = new SavedStatistics(C);
            float[] y = new float[8 * C];
            ghost.forward(batch.x(), y, shape, saved);
            for (float normalized : y) {
                assertThat(normalized).isBetween(-2f, 2f);
            }
            plain.forward(batch.x(), y, shape, ofWhole);
            for (int c = 0; c < C; c++) {
                assertThat(saved.mean()[c]).isCloseTo(ofWhole.mean()[c], within(1e-3f));
                assertThat(saved.variance()[c]).isCloseTo(ofWhole.variance()[c], within(1f));
            }
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void memoryMayBeOffTheHeapAndInPlace(boolean inPlace) {
        BatchShape shape = BatchShape.channelsLast(7, C, 11);
        Values batch = Values.random(shape, 53);
        try (BatchNorm expecting = builder(C).ghostBatch(3).build();
                BatchNorm ghost = builder(C).ghostBatch(3).build();
                Arena arena = Arena.ofConfined()) {
            Step expected = Step.run(expecting, batch.withParameters(ghost));
            MemorySegment x = arena.allocate(ValueLayout.JAVA_FLOAT, shape.elements());
            MemorySegment y = inPlace ? x : arena.allocate(ValueLayout.JAVA_FLOAT, shape.elements());
            MemorySegment dy = arena.allocate(ValueLayout.JAVA_FLOAT, shape.elements());
            x.copyFrom(MemorySegment.ofArray(batch.x()));
            dy.copyFrom(MemorySegment.ofArray(batch.dy()));
            ghost.forward(x, y, shape);
            ghost.backward(MemorySegment.ofArray(batch.x()), dy, dy, shape);
            Step.of(ghost, shape, y.toArray(ValueLayout.JAVA_FLOAT), dy.toArray(ValueLayout.JAVA_FLOAT))
                    .isBitwise(expected);
        }
    }

    @Test
    void severalForwardsMayWaitForTheirBackwards() {
        try (BatchNorm expecting = builder(C).ghostBatch(4).build();
                BatchNorm ghost = builder(C).ghostBatch(4).build()) {
            List<Values> batches = new ArrayList<>();
            List<Step> expected = new ArrayList<>();
            List<SavedStatistics> saved = new ArrayList<>();
            for (int n : new int[] {8, 3, 14}) {
                Values batch = Values.random(BatchShape.of(n, C), n).withParameters(ghost);
                batches.add(batch);
                expected.add(Step.run(expecting, batch));
                saved.add(new SavedStatistics(C));
                ghost.forward(batch.x(), new float[n * C], batch.shape(), saved.getLast());
            }
            for (int i : new int[] {1, 2, 0}) {
                Values batch = batches.get(i);
                float[] dx = new float[batch.x().length];
                ghost.backward(batch.x(), batch.dy(), dx, batch.shape(), saved.get(i));
                assertThat(dx).isEqualTo(expected.get(i).get(Quantity.DX));
            }
        }
    }

    // ---- modes

    @Test
    void inferenceAndFrozenStatisticsKnowNoSlices() {
        Values batch = Values.random(BatchShape.of(9, C), 54);
        try (BatchNorm plain = builder(C).build();
                BatchNorm ghost = builder(C).ghostBatch(4).build()) {
            Step.run(plain, batch);
            ghost.loadState(plain.state());
            Step.run(ghost.eval(), batch).isBitwise(Step.run(plain.eval(), batch));
            Step.run(ghost.freezeStatistics(), batch).isBitwise(Step.run(plain.freezeStatistics(), batch));
        }
    }

    /** As inference does everywhere; and saved statistics that were of slices before are of the batch. */
    @Test
    void inferenceWithoutTrackedStatisticsTakesTheWholeBatch() {
        Values batch = Values.random(BatchShape.of(9, C), 55);
        try (BatchNorm plain = builder(C).trackRunningStatistics(false).build();
                BatchNorm ghost =
                        builder(C).trackRunningStatistics(false).ghostBatch(3).build()) {
            Values same = batch.withParameters(ghost);
            Step expected = Step.run(plain.eval(), same);
            SavedStatistics saved = new SavedStatistics(C);
            float[] y = new float[9 * C];
            float[] dx = new float[9 * C];
            ghost.forward(same.x(), y, same.shape(), saved);
            assertThat(y).isNotEqualTo(expected.get(Quantity.Y));
            ghost.eval().forward(same.x(), y, same.shape(), saved);
            ghost.backward(same.x(), same.dy(), dx, same.shape(), saved);
            Step.of(ghost, same.shape(), y, dx).isBitwise(expected);
        }
    }

    @Test
    void runningStatisticsFollowTheSlicesWhereTheyNormalizeToo() {
        Values batch = Values.random(BatchShape.of(9, C), 56);
        try (BatchNorm plain = builder(C).cumulativeAverage().build();
                BatchNorm ghost = builder(C).cumulativeAverage().ghostBatch(4).build()) {
            plain.useBatchStatistics(false);
            ghost.useBatchStatistics(false);
            Values eight = Values.random(BatchShape.of(8, C), 57);
            bySlices(plain, eight, 4);
            Step.run(ghost, eight);
            assertThat(ghost.state()).isEqualTo(plain.state());
            assertThat(ghost.numBatchesTracked()).isEqualTo(2);
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> ghost.forward(batch.x(), new float[9 * C], batch.shape()))
                    .withMessageContaining("expected more than 1 value per feature");
        }
    }

    @Test
    void eachSliceIsABatchOfThePopulation() {
        Values batch = Values.random(BatchShape.of(11, C), 58);
        PopulationStatistics expected = new PopulationStatistics(C);
        PopulationStatistics population = new PopulationStatistics(C);
        SavedStatistics saved = new SavedStatistics(C);
        try (BatchNorm plain = builder(C).build();
                BatchNorm ghost = builder(C).ghostBatch(4).build()) {
            for (Values slice : slices(batch, 4)) {
                plain.forward(slice.x(), new float[slice.x().length], slice.shape(), saved);
                expected.add(saved);
            }
            ghost.forward(batch.x(), new float[11 * C], batch.shape(), saved);
            population.add(saved);
        }
        assertThat(population.toArray()).isEqualTo(expected.toArray());
        assertThat(population.batches()).isEqualTo(3);
    }

    @Test
    void aBatchWithoutValuesIsCountedOnceAndChangesNothingElse() {
        try (BatchNorm ghost = builder(C).ghostBatch(2).build()) {
            float[] none = {};
            for (BatchShape shape : List.of(BatchShape.of(0, C), BatchShape.channelsFirst(6, C, 0))) {
                ghost.forward(none, none, shape);
                ghost.backward(none, none, none, shape);
            }
            assertThat(ghost.numBatchesTracked()).isEqualTo(2);
            assertThat(ghost.runningVar()).containsOnly(1);
            assertThat(ghost.weightGradient()).containsOnly(0);
        }
    }

    /** Of the slices and through them: the whole against double precision. */
    @Test
    void gradientsAreWithinTheBar() {
        Values batch = Values.random(BatchShape.of(60, C), 59);
        double[] dgamma = new double[C];
        double[] rounded = new double[C];
        try (BatchNorm ghost = builder(C).ghostBatch(16).build()) {
            double eps = ghost.config().eps();
            for (Values slice : slices(batch, 16)) {
                double[] x = Reference.widen(slice.x());
                double[] dy = Reference.widen(slice.dy());
                Reference.Statistics s = Reference.statistics(slice.shape(), x, eps);
                Reference.Gradients gradients =
                        Reference.backward(slice.shape(), x, dy, null, s.mean(), s.rstd(), true);
                Reference.Gradients sizes = Rounded.gradients(slice.shape(), x, dy, null, s.mean(), s.rstd(), true);
                for (int c = 0; c < C; c++) {
                    dgamma[c] += gradients.dgamma()[c];
                    rounded[c] = Math.hypot(rounded[c], sizes.dgamma()[c]);
                }
            }
            Step.run(ghost, batch).isWithinBar(Quantity.DWEIGHT, dgamma, rounded);
        }
    }

    // ---- refusals

    @Test
    void aSliceOfOneValueIsRefusedAndNothingIsChanged() {
        Values batch = Values.random(BatchShape.of(8, C), 60);
        try (BatchNorm expecting = builder(C).ghostBatch(4).build();
                BatchNorm ghost = builder(C).ghostBatch(4).build()) {
            Values same = batch.withParameters(ghost);
            Step expected = Step.run(expecting, same);
            float[] y = new float[8 * C];
            ghost.forward(same.x(), y, same.shape());
            float[] untouched = new float[9 * C];
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> ghost.forward(new float[9 * C], untouched, BatchShape.of(9, C)))
                    .withMessage("shape: expected more than 1 value per feature to take batch statistics from,"
                            + " the last of the ghost batches of size 4 of (9, 5) has 1");
            assertThat(untouched).containsOnly(0);
            assertThat(ghost.numBatchesTracked()).isEqualTo(2);
            float[] dx = new float[8 * C];
            ghost.backward(same.x(), same.dy(), dx, same.shape());
            Step.of(ghost, same.shape(), y, dx).isBitwise(expected);
        }
        try (BatchNorm single = builder(C).ghostBatch(1).build()) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> single.forward(batch.x(), new float[8 * C], batch.shape()))
                    .withMessageContaining("ghost batches of size 1 of (8, 5) has 1");
        }
    }

    @Test
    void whatCannotBeBuiltIsRefused() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> builder(C).ghostBatch(0))
                .withMessage("ghostBatch: 0 given, must be at least 1 sample");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> builder(C)
                        .ghostBatch(4)
                        .synchronizedBy(InProcessExchange.group(1, Duration.ofSeconds(1))
                                .get(0))
                        .build())
                .withMessageContaining("ghostBatch: 4 given together with synchronizedBy; must be one of them");
        try (BatchNorm ghost = builder(C).ghostBatch(4).build()) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> new AccumulatedBatches(ghost))
                    .withMessageContaining("layer: built with synchronizedBy or ghostBatch");
        }
    }
}

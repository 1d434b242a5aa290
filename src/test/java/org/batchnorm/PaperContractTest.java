package org.batchnorm;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.batchnorm.conformance.Quantity;
import org.batchnorm.conformance.Reference;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.Layout;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Two things that the text of Ioffe &amp; Szegedy 2015, section 3, says of the layer. A backend's test class extends
 * this one and names the backend.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
public abstract class PaperContractTest {
    private static final double EPS = 1e-5;

    /** The backend's name. */
    protected abstract String backend();

    static Stream<BatchShape> shapes() {
        return Stream.of(
                BatchShape.of(2, 5),
                BatchShape.of(37, 19),
                BatchShape.of(1009, 3),
                BatchShape.of(4, 1021),
                BatchShape.channelsFirst(3, 7, 5, 11),
                BatchShape.channelsFirst(1, 2, 9001),
                BatchShape.channelsLast(3, 7, 5, 11));
    }

    /**
     * "[…] by setting γ = sqrt(Var[x]) and β = E[x], we could recover the original activations, if that were the
     * optimal thing to do." With eps the γ that does is {@code sqrt(Var[x] + eps)}.
     */
    @ParameterizedTest
    @MethodSource("shapes")
    void gammaOfTheDeviationAndBetaOfTheMeanGiveTheIdentityBack(BatchShape shape) {
        for (double mean : new double[] {0, 100, -1e5}) {
            for (double spread : new double[] {1, 1e-3}) {
                Values random = Values.random(shape, 41, mean, spread);
                Reference.Statistics statistics = Reference.statistics(shape, Reference.widen(random.x()), EPS);
                float[] deviation = new float[shape.c()];
                float[] means = new float[shape.c()];
                for (int c = 0; c < shape.c(); c++) {
                    deviation[c] = (float) Math.sqrt(statistics.variance()[c] + EPS);
                    means[c] = (float) statistics.mean()[c];
                }
                Values batch = new Values(shape, random.x(), random.dy(), deviation, means);
                try (BatchNorm layer =
                        BatchNorm.builder(shape.c()).eps(EPS).backend(backend()).build()) {
                    Step.run(layer, batch).isWithinBar(Quantity.Y, Reference.widen(batch.x()));
                }
            }
        }
    }

    /**
     * In inference, "we want the output to depend only on the input, deterministically. For this, once the network has
     * been trained, we use the normalization […] using the population, rather than mini-batch, statistics." The bits of
     * a sample are the same alone and in every batch: of any size, at any position, whatever its neighbours are, in
     * both layouts and in every kind of memory.
     */
    @ParameterizedTest
    @MethodSource("samples")
    void aSamplesInferenceDoesNotDependOnItsNeighbours(BatchShape sample) {
        doesNotDependOnItsNeighbours(sample, 2);
    }

    /** Among them is every layout, size, position and neighbour together. */
    @Tag("thorough")
    @ParameterizedTest
    @MethodSource("samples")
    void norInManyMoreBatches(BatchShape sample) {
        doesNotDependOnItsNeighbours(sample, 4);
    }

    static Stream<BatchShape> samples() {
        return Stream.of(
                BatchShape.of(1, 1),
                BatchShape.of(1, 19),
                BatchShape.of(1, 129),
                BatchShape.channelsFirst(1, 3, 55),
                BatchShape.channelsFirst(1, 7, 16),
                BatchShape.channelsFirst(1, 2, 2500));
    }

    /** The memory in which the batch and its results lie. */
    private enum Memory {
        ARRAYS,
        SEGMENTS,
        IN_PLACE
    }

    /**
     * A batch in which the sample is.
     *
     * @param position from 0, the first sample's, to 2, the last one's
     * @param neighbour the values of the other samples
     */
    private record Company(Layout layout, int n, int position, float neighbour, Memory memory) {
        static Stream<Company> combinations(int strength) {
            return Combinations.covering(
                    strength,
                    choice -> new Company(
                            choice.of(List.of(Layout.values())),
                            choice.of(List.of(1, 2, 3, 8, 17, 64, 301)),
                            choice.of(List.of(0, 1, 2)),
                            choice.of(List.of(0f, -7.5f, 1e30f, Float.NaN, Float.POSITIVE_INFINITY)),
                            choice.of(List.of(Memory.values()))));
        }
    }

    private void doesNotDependOnItsNeighbours(BatchShape one, int strength) {
        try (BatchNorm layer = trained(one.c())) {
            float[] sample = Values.random(one, 42, 5, 3).x();
            float[] alone = new float[sample.length];
            layer.forward(sample, alone, one);
            Company.combinations(strength).forEach(company -> {
                BatchShape shape = new BatchShape(company.n, one.c(), one.spatial(), company.layout);
                int position = company.position * (company.n - 1) / 2;
                float[] x = among(company.neighbour, shape, sample, position);
                float[] y = switch (company.memory) {
                    case ARRAYS -> array(layer, x, shape);
                    case SEGMENTS -> segment(layer, x, shape);
                    case IN_PLACE -> inPlace(layer, x, shape);
                };
                assertThat(sampleOf(y, shape, position)).as("among %s", company).isEqualTo(alone);
            });
        }
    }

    private BatchNorm trained(int features) {
        BatchNorm layer = BatchNorm.builder(features).backend(backend()).build();
        Random random = new Random(43);
        for (int c = 0; c < features; c++) {
            layer.runningMean()[c] = (float) (5 + random.nextGaussian());
            layer.runningVar()[c] = 1 + 9 * random.nextFloat();
            layer.weight()[c] = (float) random.nextGaussian();
            layer.bias()[c] = (float) random.nextGaussian();
        }
        return layer.eval();
    }

    private static float[] array(BatchNorm layer, float[] x, BatchShape shape) {
        float[] y = new float[x.length];
        layer.forward(x, y, shape);
        return y;
    }

    private static float[] inPlace(BatchNorm layer, float[] x, BatchShape shape) {
        float[] data = x.clone();
        layer.forward(data, data, shape);
        return data;
    }

    /** Off the heap, and one value after the beginning, so that no vector is aligned. */
    private static float[] segment(BatchNorm layer, float[] x, BatchShape shape) {
        try (Arena arena = Arena.ofShared()) {
            MemorySegment in =
                    arena.allocate(ValueLayout.JAVA_FLOAT, x.length + 1L).asSlice(Float.BYTES);
            MemorySegment out =
                    arena.allocate(ValueLayout.JAVA_FLOAT, x.length + 1L).asSlice(Float.BYTES);
            MemorySegment.copy(x, 0, in, ValueLayout.JAVA_FLOAT, 0, x.length);
            layer.forward(Batch.of(in, shape), Batch.of(out, shape));
            return out.toArray(ValueLayout.JAVA_FLOAT);
        }
    }

    /** A batch of neighbours, and of the sample, which is (C, S), at a position. */
    private static float[] among(float neighbour, BatchShape shape, float[] sample, int position) {
        float[] x = new float[(int) shape.elements()];
        Arrays.fill(x, neighbour);
        for (int i = 0; i < sample.length; i++) {
            x[at(shape, position, i)] = sample[i];
        }
        return x;
    }

    private static float[] sampleOf(float[] y, BatchShape shape, int position) {
        float[] sample = new float[y.length / (int) shape.n()];
        for (int i = 0; i < sample.length; i++) {
            sample[i] = y[at(shape, position, i)];
        }
        return sample;
    }

    /** Where value {@code i} of the sample's (C, S) lies in the batch. */
    private static int at(BatchShape shape, int position, int i) {
        int spatial = (int) shape.spatial();
        int start = position * shape.c() * spatial;
        return shape.layout() == Layout.CHANNELS_FIRST ? start + i : start + i % spatial * shape.c() + i / spatial;
    }
}

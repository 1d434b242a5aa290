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
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
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
    @CsvSource({"1, 1", "19, 1", "129, 1", "3, 55", "7, 16", "2, 2500"})
    void aSamplesInferenceDoesNotDependOnItsNeighbours(int features, int spatial) {
        try (BatchNorm layer = trained(features)) {
            float[] sample = Values.random(BatchShape.channelsFirst(1, features, spatial), 42, 5, 3)
                    .x();
            float[] alone = new float[sample.length];
            layer.forward(sample, alone, BatchShape.channelsFirst(1, features, spatial));
            for (Layout layout : Layout.values()) {
                for (int n : new int[] {1, 2, 3, 8, 17, 64, 301}) {
                    BatchShape shape = new BatchShape(n, features, spatial, layout);
                    for (int position : new int[] {0, n / 2, n - 1}) {
                        for (float neighbour : new float[] {0, -7.5f, 1e30f, Float.NaN, Float.POSITIVE_INFINITY}) {
                            float[] x = among(neighbour, shape, sample, position);
                            assertThat(sampleOf(array(layer, x, shape), shape, position))
                                    .as("sample %d of %s among %s", position, shape, neighbour)
                                    .isEqualTo(alone);
                        }
                        float[] x = among(3, shape, sample, position);
                        for (float[] y : List.of(segment(layer, x, shape), inPlace(layer, x, shape))) {
                            assertThat(sampleOf(y, shape, position))
                                    .as("sample %d of %s", position, shape)
                                    .isEqualTo(alone);
                        }
                    }
                }
            }
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

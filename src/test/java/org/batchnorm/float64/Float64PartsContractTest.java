package org.batchnorm.float64;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.DoubleStream;
import java.util.stream.Stream;
import org.batchnorm.AccumulatedBatches;
import org.batchnorm.BatchNorm;
import org.batchnorm.BatchNormFunction;
import org.batchnorm.Folding;
import org.batchnorm.PaddedSequences;
import org.batchnorm.PopulationStatistics;
import org.batchnorm.SavedStatistics;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.spi.Activation;
import org.batchnorm.spi.Activations;
import org.batchnorm.spi.InProcessExchange;
import org.batchnorm.spi.Moments;
import org.batchnorm.spi.StatisticsExchange;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What is made of the stages: parts of a batch, or several of them, within the bar of FLOAT64. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
public abstract class Float64PartsContractTest {
    private static final int C = 3;
    private static final BatchShape SHAPE = BatchShape.of(24, C);

    /** The backend under test. */
    protected abstract String backend();

    private Outputs train(Inputs in) {
        return Layers.train(in, backend());
    }

    private static Batch zeros() {
        return Batch.of(new double[24 * C], SHAPE);
    }

    private static Inputs inputs(double mean) {
        return Inputs.random(SHAPE, 61, mean, 1);
    }

    @ParameterizedTest
    @ValueSource(doubles = {0, 1e9})
    void ghostBatchesAreBatchesOfTheirOwn(double mean) {
        Inputs in = inputs(mean);
        try (BatchNorm ghost = Layers.builder(in, backend()).ghostBatch(10).build()) {
            System.arraycopy(in.gamma(), 0, ghost.doubleWeight(), 0, C);
            System.arraycopy(in.beta(), 0, ghost.doubleBias(), 0, C);
            Batch x = Batch.of(in.x(), SHAPE);
            Batch y = zeros();
            Batch dx = zeros();
            ghost.forward(x, y);
            ghost.backward(x, Batch.of(in.dy(), SHAPE), dx);
            double[] dgamma = new double[C];
            for (int from = 0; from < 24; from += 10) {
                int count = Math.min(10, 24 - from);
                Inputs slice = new Inputs(
                        BatchShape.of(count, C),
                        Arrays.copyOfRange(in.x(), from * C, (from + count) * C),
                        Arrays.copyOfRange(in.dy(), from * C, (from + count) * C),
                        in.gamma(),
                        in.beta(),
                        null,
                        null,
                        null,
                        in.eps(),
                        in.activations());
                Outputs out = train(slice);
                out.isWithinBar(slice);
                assertThat(Layers.values(y.samples(from, count))).isEqualTo(out.y);
                assertThat(Layers.values(dx.samples(from, count))).isEqualTo(out.dx);
                for (int c = 0; c < C; c++) {
                    dgamma[c] += Objects.requireNonNull(out.dgamma)[c];
                }
            }
            assertThat(ghost.doubleWeightGradient()).isEqualTo(dgamma);
            assertThat(ghost.numBatchesTracked()).isEqualTo(3);
        }
    }

    /** With an activation after batch norm, one before it as well, and a residual. */
    static Stream<Inputs> parts() {
        Activations relu = Activations.NONE.withOutput(Activation.relu());
        Activations both = new Activations(Activation.leakyRelu(0.1), Activation.leakyRelu(0.2));
        return DoubleStream.of(0, 1e9)
                .mapToObj(Float64PartsContractTest::inputs)
                .flatMap(in -> Stream.of(
                        in,
                        in.with(relu),
                        in.with(both),
                        in.with(relu).withResidual(63),
                        in.with(both).withResidual(64)));
    }

    @ParameterizedTest
    @MethodSource("parts")
    void accumulatedBatchesAreOne(Inputs in) {
        try (BatchNorm layer = Layers.layer(in, backend(), 1)) {
            AccumulatedBatches large = new AccumulatedBatches(layer);
            Batch x = Batch.of(in.x(), SHAPE);
            Batch dy = Batch.of(in.dy(), SHAPE);
            Batch residual = residual(in);
            Batch y = zeros();
            Batch dx = zeros();
            Batch dresidual = zeros();
            int[][] parts = {{0, 9}, {9, 14}, {23, 1}};
            for (int[] part : parts) {
                large.collectStatistics(x.samples(part[0], part[1]));
            }
            large.mergeStatistics();
            for (int[] part : parts) {
                if (residual == null) {
                    large.transform(of(part, x), of(part, y));
                } else {
                    large.transform(of(part, x), of(part, residual), of(part, y));
                }
            }
            for (int[] part : parts) {
                if (residual == null) {
                    large.reduceGradients(of(part, x), of(part, dy));
                } else {
                    large.reduceGradients(of(part, x), of(part, y), of(part, dy), of(part, dresidual));
                }
            }
            large.mergeGradients();
            for (int[] part : parts) {
                large.inputGradient(of(part, x), of(part, residual == null ? dy : dresidual), of(part, dx));
            }
            Outputs out = new Outputs();
            out.y = Layers.values(y);
            out.dx = Layers.values(dx);
            out.dgamma = layer.doubleWeightGradient();
            out.dbeta = layer.doubleBiasGradient();
            out.dresidual = residual == null ? null : Layers.values(dresidual);
            out.isWithinBar(in);
            double[] exactMean = train(in).mean;
            assertThat(layer.doubleRunningMean()[1])
                    .isCloseTo(0.1 * exactMean[1], within(2 * Math.ulp(0.1 * exactMean[1])));
        }
    }

    private static Batch of(int[] part, Batch all) {
        return all.samples(part[0], part[1]);
    }

    private static @Nullable Batch residual(Inputs in) {
        return in.residual() == null ? null : Batch.of(in.residual(), SHAPE);
    }

    @ParameterizedTest
    @MethodSource("parts")
    void ranksAreOneLayer(Inputs in) throws Exception {
        int[][] parts = {{0, 9}, {9, 15}};
        Batch residual = residual(in);
        Batch y = zeros();
        Batch dx = zeros();
        Batch dresidual = zeros();
        double[] dgamma = new double[C];
        double[] dbeta = new double[C];
        try (ExecutorService threads = Executors.newFixedThreadPool(2)) {
            List<Future<?>> ranks = new ArrayList<>();
            for (StatisticsExchange exchange : InProcessExchange.group(2, Duration.ofSeconds(60))) {
                int[] part = parts[exchange.rank()];
                ranks.add(threads.submit(() -> {
                    try (BatchNorm layer = Layers.builder(in, backend())
                            .synchronizedBy(exchange)
                            .build()) {
                        System.arraycopy(in.gamma(), 0, layer.doubleWeight(), 0, C);
                        System.arraycopy(in.beta(), 0, layer.doubleBias(), 0, C);
                        Batch x = of(part, Batch.of(in.x(), SHAPE));
                        Batch dy = of(part, Batch.of(in.dy(), SHAPE));
                        if (residual == null) {
                            layer.forward(x, of(part, y));
                            layer.backward(x, dy, of(part, dx));
                        } else {
                            layer.forward(x, of(part, residual), of(part, y));
                            layer.backward(x, of(part, y), dy, of(part, dx), of(part, dresidual));
                        }
                        synchronized (dgamma) {
                            for (int c = 0; c < C; c++) {
                                dgamma[c] += layer.doubleWeightGradient()[c];
                                dbeta[c] += layer.doubleBiasGradient()[c];
                            }
                        }
                    }
                }));
            }
            for (Future<?> rank : ranks) {
                rank.get();
            }
        }
        Outputs out = new Outputs();
        out.y = Layers.values(y);
        out.dx = Layers.values(dx);
        out.dgamma = dgamma;
        out.dbeta = dbeta;
        out.dresidual = residual == null ? null : Layers.values(dresidual);
        out.isWithinBar(in);
    }

    @Test
    void paddedSequencesAreTheirValues() {
        for (BatchShape shape : List.of(BatchShape.channelsFirst(3, C, 8), BatchShape.channelsLast(3, C, 8))) {
            int[] lengths = {8, 0, 5};
            double[] x = new double[72];
            double[] dy = new double[72];
            Arrays.fill(x, Double.NaN);
            Arrays.fill(dy, Double.NaN);
            BatchShape ofValues = BatchShape.of(13, C);
            Inputs in = Inputs.random(ofValues, 62, 1e9, 1);
            int[] places = places(shape, lengths);
            for (int i = 0; i < places.length; i++) {
                x[places[i]] = in.x()[i];
                dy[places[i]] = in.dy()[i];
            }
            try (BatchNorm layer = Layers.layer(in, backend(), 1)) {
                PaddedSequences sequences = new PaddedSequences(layer, PaddedSequences.Padding.ZERO);
                Batch y = Batch.of(new double[72], shape);
                sequences.forward(Batch.of(x, shape), y, lengths);
                sequences.backward(Batch.of(x, shape), Batch.of(dy, shape), Batch.of(dy, shape));
                Outputs out = new Outputs();
                out.y = Arrays.stream(places).mapToDouble(i -> y.doubles()[i]).toArray();
                out.dx = Arrays.stream(places).mapToDouble(i -> dy[i]).toArray();
                out.dgamma = layer.doubleWeightGradient();
                out.isWithinBar(in);
                assertThat(y.doubles()).doesNotContain(Double.NaN);
                assertThat(dy).doesNotContain(Double.NaN);
            }
        }
    }

    /** Where the values of a matrix (positions that count, C) stand. */
    private static int[] places(BatchShape shape, int[] lengths) {
        List<Integer> places = new ArrayList<>();
        for (int n = 0; n < lengths.length; n++) {
            for (int s = 0; s < lengths[n]; s++) {
                for (int c = 0; c < C; c++) {
                    places.add(shape.featuresContiguous() ? (n * 8 + s) * C + c : (n * C + c) * 8 + s);
                }
            }
        }
        return places.stream().mapToInt(i -> i).toArray();
    }

    @Test
    void aPopulationIsThatOfAllValues() {
        Inputs in = inputs(1e9);
        PopulationStatistics bySaved = new PopulationStatistics(C);
        PopulationStatistics byMoments = new PopulationStatistics(C);
        Outputs exact = train(in);
        try (BatchNorm layer = Layers.layer(in, backend(), 1);
                BatchNormFunction function = BatchNormFunction.builder(C)
                        .elementType(ElementType.FLOAT64)
                        .backend(backend())
                        .build()) {
            SavedStatistics saved = new SavedStatistics(C);
            Moments moments = new Moments(C);
            for (int from = 0; from < 24; from += 8) {
                Batch part = Batch.of(in.x(), SHAPE).samples(from, 8);
                layer.forward(part, zeros().samples(from, 8), saved);
                bySaved.add(saved);
                function.collectStatistics(part, moments);
                byMoments.add(moments);
            }
            for (PopulationStatistics population : List.of(bySaved, byMoments)) {
                layer.setRunningStatistics(population.exact());
                for (int c = 0; c < C; c++) {
                    double variance = Objects.requireNonNull(exact.variance)[c] * 24 / 23;
                    assertThat(layer.doubleRunningMean()[c]).isEqualTo(Objects.requireNonNull(exact.mean)[c]);
                    assertThat(layer.doubleRunningVar()[c]).isCloseTo(variance, within(8 * Math.ulp(variance)));
                }
            }
        }
    }

    @Test
    void foldingTakesTheFactorsInFloat64() {
        Inputs in = inputs(0).withGivenStatistics(63);
        try (BatchNorm layer = Layers.layer(in, backend(), 1)) {
            Folding folding = Folding.of(layer);
            for (int c = 0; c < C; c++) {
                double scale = Objects.requireNonNull(in.gamma())[c]
                        / Math.sqrt(Objects.requireNonNull(in.variance())[c] + in.eps());
                assertThat(folding.scale()[c]).isEqualTo(scale);
            }
        }
    }
}

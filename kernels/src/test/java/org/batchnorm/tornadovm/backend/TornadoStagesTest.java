package org.batchnorm.tornadovm.backend;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.OptionalDouble;
import java.util.stream.Stream;
import org.batchnorm.Values;
import org.batchnorm.conformance.ErrorBound;
import org.batchnorm.conformance.Quantity;
import org.batchnorm.conformance.QuantityResult;
import org.batchnorm.conformance.Reference;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.BackendOptions;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Moments;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The stages on the device, one by one and with parts of a batch merged between them, against double precision. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class TornadoStagesTest {
    private static final double EPS = 1e-3;

    private final BatchNormOperations operations = new TornadoBackend().open(BackendOptions.fromSystemProperties());

    @AfterAll
    void close() {
        operations.close();
    }

    /** Two values, one tile, planes, small planes; the last of more than one work-group. */
    static Stream<BatchShape> shapes() {
        return Stream.of(
                BatchShape.of(2, 5),
                BatchShape.of(64, 33),
                BatchShape.channelsFirst(4, 3, 17, 11),
                BatchShape.channelsFirst(6, 7, 5),
                BatchShape.channelsLast(2, 40, 40, 50));
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void stagesGiveTheWholeOperation(BatchShape shape) {
        Problem problem = new Problem(Values.random(shape, 1, 3, 2));
        problem.forward(1);
        problem.backward(1);
        problem.check();
        problem.frozen();
    }

    /** As on two machines: each has half of the samples, the statistics and the sums are those of all. */
    @ParameterizedTest
    @MethodSource("shapes")
    void partsOfABatchAreMergedBetweenTheStages(BatchShape shape) {
        Problem problem = new Problem(Values.random(shape, 2, -100, 1));
        problem.forward(2);
        problem.backward(2);
        problem.check();
    }

    /** Each layer has the eps of its own in what is left of dx. */
    @ParameterizedTest
    @ValueSource(doubles = {1e-2, 1e-5, 1})
    void twoValuesAFeatureFollowEps(double eps) {
        for (BatchShape shape : new BatchShape[] {BatchShape.of(2, 5), BatchShape.channelsFirst(1, 5, 2)}) {
            Problem problem = new Problem(Values.random(shape, 3), eps);
            Tensors tensors = new Tensors();
            operations.forward(tensors.forward(problem.x, problem.y), problem.through);
            operations.backward(tensors.backward(problem.x, problem.dy, problem.dx), problem.through, problem.sums);
            problem.check();
        }
    }

    /** As the fused operation has them: their squares are beyond the range of float32. */
    @Test
    void momentsOfLargeValuesAreFinite() {
        BatchShape shape = BatchShape.of(100, 3);
        Values small = Values.random(shape, 4, 0, 1);
        float[] large = small.x().clone();
        for (int i = 0; i < large.length; i++) {
            large[i] *= 1e25f;
        }
        Problem problem = new Problem(small.withX(large));
        problem.forward(1);
        assertThat(problem.moments.m2()[0]).isBetween(1e50, 1e54);
        problem.check(Quantity.RSTD, problem.through.statistics().rstd(), problem.statistics.rstd());
        problem.check(Quantity.Y, problem.y.array(), problem.expectedY);
    }

    @Test
    void aBatchWithoutValuesGivesNothing() {
        BatchShape none = BatchShape.of(0, 5);
        Problem problem = new Problem(Values.random(BatchShape.of(4, 5), 5));
        Batch empty = Batch.of(new float[0], none);
        Tensors tensors = new Tensors();
        problem.forward(1);
        problem.backward(1);
        operations.collectStatistics(tensors.collect(empty), problem.moments);
        assertThat(problem.moments.count()).isZero();
        assertThat(problem.moments.mean()).containsOnly(0);
        operations.transform(tensors.forward(empty, empty), problem.through);
        operations.reduceGradients(tensors.backward(empty, empty, empty), problem.through, problem.sums);
        assertThat(problem.sums.count()).isZero();
        assertThat(problem.sums.dgamma()).containsOnly(0);
        operations.inputGradient(tensors.backward(empty, empty, empty), problem.through, problem.sums);
    }

    private static float[] part(float[] values, int part, int parts) {
        int length = values.length / parts;
        return Arrays.copyOfRange(values, part * length, (part + 1) * length);
    }

    /** A batch, what is expected of it, and what comes of it. */
    private final class Problem {
        final Values in;
        final BatchShape shape;
        final double eps;
        final Batch x;
        final Batch dy;
        final Batch y;
        final Batch dx;
        final Normalization through;
        final Moments moments;
        final GradientSums sums;
        final Reference.Statistics statistics;
        final double[] expectedY;

        Problem(Values in) {
            this(in, EPS);
        }

        Problem(Values in, double eps) {
            this.in = in;
            this.shape = in.shape();
            this.eps = eps;
            this.x = Batch.of(in.x(), shape);
            this.dy = Batch.of(in.dy(), shape);
            this.y = Batch.of(new float[in.x().length], shape);
            this.dx = Batch.of(new float[in.x().length], shape);
            this.through = new Normalization(in.weight(), in.bias(), eps, new BatchStatistics(shape.c()), true);
            this.moments = new Moments(shape.c());
            this.sums = new GradientSums(shape.c());
            this.statistics = Reference.statistics(shape, Reference.widen(in.x()), eps);
            this.expectedY = Reference.transform(
                    shape,
                    Reference.widen(in.x()),
                    Reference.widen(in.weight()),
                    Reference.widen(in.bias()),
                    statistics.mean(),
                    statistics.rstd());
        }

        private Reference.Gradients gradients(boolean throughStatistics) {
            return Reference.backward(
                    shape,
                    Reference.widen(in.x()),
                    Reference.widen(in.dy()),
                    Reference.widen(in.weight()),
                    statistics.mean(),
                    statistics.rstd(),
                    throughStatistics);
        }

        void forward(int parts) {
            BatchShape ofPart = new BatchShape(shape.n() / parts, shape.c(), shape.spatial(), shape.layout());
            Tensors tensors = new Tensors();
            Moments momentsOfPart = new Moments(shape.c());
            moments.clear();
            for (int part = 0; part < parts; part++) {
                Batch xOfPart = Batch.of(part(in.x(), part, parts), ofPart);
                operations.collectStatistics(tensors.collect(xOfPart), momentsOfPart);
                assertThat(momentsOfPart.count()).isEqualTo(ofPart.valuesPerFeature());
                moments.add(momentsOfPart);
            }
            through.statistics().set(moments, eps);
            for (int part = 0; part < parts; part++) {
                Batch data = Batch.of(part(in.x(), part, parts), ofPart);
                operations.transform(tensors.forward(data, data), through);
                put(data, y, part);
            }
        }

        void backward(int parts) {
            BatchShape ofPart = new BatchShape(shape.n() / parts, shape.c(), shape.spatial(), shape.layout());
            Tensors tensors = new Tensors();
            GradientSums sumsOfPart = new GradientSums(shape.c());
            sums.clear();
            for (int part = 0; part < parts; part++) {
                Batch xOfPart = Batch.of(part(in.x(), part, parts), ofPart);
                Batch data = Batch.of(part(in.dy(), part, parts), ofPart);
                operations.reduceGradients(tensors.backward(xOfPart, data, data), through, sumsOfPart);
                assertThat(data.array()).as("dy is left alone").isEqualTo(part(in.dy(), part, parts));
                sums.add(sumsOfPart);
            }
            assertThat(sums.count()).isEqualTo(shape.valuesPerFeature());
            for (int part = 0; part < parts; part++) {
                Batch xOfPart = Batch.of(part(in.x(), part, parts), ofPart);
                Batch data = Batch.of(part(in.dy(), part, parts), ofPart);
                operations.inputGradient(tensors.backward(xOfPart, data, data), through, sums);
                put(data, dx, part);
            }
        }

        private void put(Batch from, Batch to, int part) {
            System.arraycopy(from.array(), 0, to.array(), part * from.array().length, from.array().length);
        }

        /** With the same statistics as given ones. */
        void frozen() {
            Tensors tensors = new Tensors();
            Normalization given = new Normalization(in.weight(), in.bias(), eps, through.statistics(), false);
            GradientSums sumsOfGiven = new GradientSums(shape.c());
            Reference.Gradients expected = gradients(false);
            operations.transform(tensors.forward(x, y), given);
            check(Quantity.Y, y.array(), expectedY);
            operations.reduceGradients(tensors.backward(x, dy, dx), given, sumsOfGiven);
            check(Quantity.DWEIGHT, floats(sumsOfGiven.dgamma()), expected.dgamma());
            assertThat(sumsOfGiven.dbeta()).isEqualTo(sums.dbeta());
            operations.inputGradient(tensors.backward(x, dy, dx), given, sumsOfGiven);
            check(Quantity.DX, dx.array(), expected.dx());
            Arrays.fill(dx.array(), Float.NaN);
            operations.backward(tensors.backward(x, dy, dx), given, sumsOfGiven);
            check(Quantity.DX, dx.array(), expected.dx());
            check(Quantity.DBIAS, floats(sumsOfGiven.dbeta()), expected.dbeta());
        }

        void check() {
            Reference.Gradients expected = gradients(true);
            check(Quantity.MEAN, through.statistics().mean(), statistics.mean());
            check(Quantity.RSTD, through.statistics().rstd(), statistics.rstd());
            check(Quantity.Y, y.array(), expectedY);
            check(Quantity.DX, dx.array(), expected.dx());
            check(Quantity.DWEIGHT, floats(sums.dgamma()), expected.dgamma());
            check(Quantity.DBIAS, floats(sums.dbeta()), expected.dbeta());
        }

        void check(Quantity quantity, float[] actual, double[] expected) {
            QuantityResult result = ErrorBound.check(quantity, actual, expected, OptionalDouble.empty());
            assertThat(result.pass())
                    .as("%s of %s: %s", quantity, shape, result.message())
                    .isTrue();
        }

        private static float[] floats(double[] values) {
            float[] floats = new float[values.length];
            for (int i = 0; i < values.length; i++) {
                floats[i] = (float) values[i];
            }
            return floats;
        }
    }
}

package org.batchnorm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.batchnorm.conformance.Quantity;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The function gives the layer's bits, keeps nothing and overwrites gradients. */
class BatchNormFunctionTest {
    private static final BatchShape SHAPE = BatchShape.of(4, 3);

    @AutoClose
    private final BatchNormFunction small =
            BatchNormFunction.builder(3).backend("scalar").build();

    static Stream<BatchShape> shapes() {
        return Stream.of(
                BatchShape.of(2, 5),
                BatchShape.of(37, 19),
                BatchShape.channelsFirst(3, 7, 5, 11),
                BatchShape.channelsLast(3, 7, 5, 11));
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void trainingGivesTheLayersBits(BatchShape shape) {
        Values in = Values.random(shape, 1);
        for (boolean affine : new boolean[] {true, false}) {
            for (String backend : List.of("scalar", "vector")) {
                try (BatchNorm layer = BatchNorm.builder(shape.c())
                                .affine(affine)
                                .eps(1e-3)
                                .backend(backend)
                                .build();
                        BatchNormFunction function = BatchNormFunction.builder(shape.c())
                                .eps(1e-3)
                                .backend(backend)
                                .threads(2)
                                .build()) {
                    Step expected = Step.run(layer, in);
                    Parameters parameters = affine ? parameters(in) : Parameters.NONE;
                    SavedStatistics saved = new SavedStatistics(shape.c());
                    Batch y = empty(shape);
                    Batch dx = empty(shape);
                    function.forward(x(in), y, parameters, saved);
                    assertThat(saved.isFilled()).isTrue();
                    assertThat(saved.mean()).isEqualTo(expected.get(Quantity.MEAN));
                    assertThat(saved.rstd()).isEqualTo(expected.get(Quantity.RSTD));
                    function.backward(x(in), dy(in), dx, parameters, saved);
                    assertThat(saved.isFilled()).isFalse();
                    assertThat(y.array()).isEqualTo(expected.get(Quantity.Y));
                    assertThat(dx.array()).isEqualTo(expected.get(Quantity.DX));
                    if (affine) {
                        assertThat(parameters.dgamma()).isEqualTo(expected.get(Quantity.DWEIGHT));
                        assertThat(parameters.dbeta()).isEqualTo(expected.get(Quantity.DBIAS));
                    }
                    assertThat(function.backendName()).isEqualTo(backend);
                    assertThat(function)
                            .hasToString("BatchNormFunction[features=" + shape.c() + ", eps=0.001] on " + backend);
                }
            }
        }
    }

    @ParameterizedTest
    @MethodSource("shapes")
    void givenStatisticsGiveTheFrozenLayersBits(BatchShape shape) {
        Values in = Values.random(shape, 2);
        try (BatchNorm layer = BatchNorm.builder(shape.c()).backend("scalar").build();
                BatchNormFunction function =
                        BatchNormFunction.builder(shape.c()).backend("scalar").build()) {
            Step.run(layer, in);
            layer.freezeStatistics();
            Step expected = Step.run(layer, in);
            float[] mean = layer.runningMean().clone();
            float[] variance = layer.runningVar().clone();
            Parameters parameters = parameters(in);
            Batch y = empty(shape);
            function.inference(x(in), y, parameters, mean, variance);
            assertThat(y.array()).isEqualTo(expected.get(Quantity.Y));

            Batch again = empty(shape);
            Batch dx = empty(shape);
            SavedStatistics saved = new SavedStatistics(shape.c());
            function.inference(x(in), again, parameters, mean, variance, saved);
            assertThat(again.array()).isEqualTo(expected.get(Quantity.Y));
            assertThat(saved.mean()).isEqualTo(mean);
            assertThat(saved.variance()).isEqualTo(variance);
            // The backward goes by what the forward saw.
            Arrays.fill(mean, 77);
            Arrays.fill(variance, 77);
            function.backward(x(in), dy(in), dx, parameters, saved);
            assertThat(dx.array()).isEqualTo(expected.get(Quantity.DX));
            assertThat(parameters.dgamma()).isEqualTo(expected.get(Quantity.DWEIGHT));
            assertThat(parameters.dbeta()).isEqualTo(expected.get(Quantity.DBIAS));
        }
    }

    /** A normalization that is kept for the next call is that of the arrays of the call. */
    @Test
    void otherArraysAreTakenAsTheyAre() {
        Values in = Values.random(SHAPE, 3);
        float[] zeros = new float[3];
        float[] ones = {1, 1, 1};
        float[] fours = {4, 4, 4};
        Batch y = empty(SHAPE);
        small.inference(x(in), y, Parameters.NONE, zeros, ones);
        float[] normalized = y.array().clone();
        small.inference(x(in), y, Parameters.of(fours, null), zeros, ones);
        assertThat(y.array()[5]).isEqualTo(4 * normalized[5]);
        small.inference(x(in), y, Parameters.of(null, fours), zeros, ones);
        assertThat(y.array()[5]).isEqualTo(4 + normalized[5]);
        small.inference(x(in), y, Parameters.NONE, fours, ones);
        assertThat(y.array()[5]).isEqualTo(normalized[5] - 4, within(1e-3f));
        small.inference(x(in), y, Parameters.NONE, zeros, fours);
        assertThat(y.array()[5]).isEqualTo(normalized[5] / 2, within(1e-3f));
        small.inference(x(in), y, Parameters.NONE, zeros, ones);
        assertThat(y.array()).isEqualTo(normalized);

        SavedStatistics saved = new SavedStatistics(3);
        float[] dgamma = new float[3];
        Batch dx = empty(SHAPE);
        small.forward(x(in), y, Parameters.of(fours, null), saved);
        small.backward(x(in), dy(in), dx, new Parameters(fours, null, dgamma, null), saved);
        float[] before = dgamma.clone();
        small.forward(x(in), y, Parameters.NONE, saved);
        small.backward(x(in), dy(in), dx, new Parameters(null, null, dgamma, null), saved);
        assertThat(dgamma).as("overwritten, not added to").isEqualTo(before);
    }

    @Test
    void aBatchWithoutValuesChangesNothing() {
        BatchShape shape = BatchShape.of(0, 3);
        Batch nothing = Batch.of(new float[0], shape);
        Parameters parameters = new Parameters(null, null, new float[] {7, 7, 7}, new float[] {7, 7, 7});
        SavedStatistics saved = new SavedStatistics(3);
        small.inference(nothing, nothing, parameters, new float[3], new float[3]);
        small.inference(nothing, nothing, parameters, new float[3], new float[3], saved);
        small.backward(nothing, nothing, nothing, parameters, saved);
        assertThat(parameters.dgamma())
                .as("overwritten with the gradient of nothing")
                .containsOnly(0);
        assertThat(parameters.dbeta()).containsOnly(0);
    }

    @Test
    void trainingWithoutValuesLeavesTheSavedStatisticsWhatTheyWere() {
        Values in = Values.random(SHAPE, 9);
        SavedStatistics saved = new SavedStatistics(3);
        small.forward(x(in), empty(SHAPE), Parameters.NONE, saved);
        float[] mean = saved.mean();
        float[] variance = saved.variance();
        for (BatchShape shape : List.of(BatchShape.of(0, 3), BatchShape.channelsLast(2, 3, 0))) {
            Batch nothing = Batch.of(new float[0], shape);
            Parameters parameters = new Parameters(null, null, new float[] {7, 7, 7}, new float[] {7, 7, 7});
            small.forward(nothing, nothing, parameters, saved);
            assertThat(saved.isFilled()).isTrue();
            assertThat(saved.mean()).isEqualTo(mean);
            assertThat(saved.variance()).isEqualTo(variance);
            small.backward(nothing, nothing, nothing, parameters, saved);
            assertThat(saved.isFilled()).isFalse();
            assertThat(parameters.dgamma()).containsOnly(0);
            assertThat(parameters.dbeta()).containsOnly(0);
        }
    }

    @Test
    void badArgumentsAreRefused() {
        Values in = Values.random(SHAPE, 4);
        Batch x = x(in);
        Batch y = empty(SHAPE);
        SavedStatistics saved = new SavedStatistics(3);
        float[] three = new float[3];
        float[] two = new float[2];
        String length = ": float[2] given, must have one value for each of the function's 3 features";
        refused(() -> small.forward(x, y, Parameters.of(two, three), saved), "gamma" + length);
        refused(() -> small.forward(x, y, Parameters.of(three, two), saved), "beta" + length);
        refused(() -> small.forward(x, y, null, saved), "parameters: null given");
        refused(() -> small.forward(x, y, Parameters.NONE, null), "saved: null given");
        refused(() -> small.backward(null, x, y, Parameters.NONE, saved), "x: null given");
        refused(() -> small.inference(x, y, Parameters.NONE, null, three), "mean: null given");
        refused(() -> small.inference(x, y, Parameters.NONE, three, null), "variance: null given");
        refused(() -> small.inference(x, y, Parameters.NONE, two, three), "mean" + length);
        refused(() -> small.inference(x, y, Parameters.NONE, three, two), "variance" + length);
        refused(
                () -> small.inference(x, y, Parameters.NONE, three, three, new SavedStatistics(2)),
                "saved: saved statistics of 2 features given, must have the function's 3");
        refused(() -> small.forward(x, y, Parameters.NONE, new SavedStatistics(2)), "must have the function's 3");
        Batch wide = empty(BatchShape.of(3, 4));
        refused(
                () -> small.forward(wide, wide, Parameters.NONE, saved),
                "shape: (3, 4) has 4 features (channels), must have the function's 3");
        Batch one = empty(BatchShape.of(1, 3));
        refused(() -> small.forward(one, one, Parameters.NONE, saved), "expected more than 1 value per feature");
        assertThat(saved.isFilled()).isFalse();
        refused(() -> small.backward(x, x, y, Parameters.NONE, saved), "no forward is waiting for its backward");
        small.forward(x, y, Parameters.NONE, saved);
        refused(() -> small.backward(x, x, y, new Parameters(null, null, two, null), saved), "dgamma" + length);
        refused(() -> small.backward(x, x, y, new Parameters(null, null, null, two), saved), "dbeta" + length);
        try (BatchNormFunction other =
                BatchNormFunction.builder(3).backend("scalar").build()) {
            refused(
                    () -> other.backward(x, x, y, Parameters.NONE, saved),
                    "saved: these saved statistics were filled by the forward of another layer or function");
        }
        assertThat(saved.isFilled()).isTrue();
        small.close();
        small.close();
        refused(() -> small.forward(x, y, Parameters.NONE, saved), "the function is closed; build another one");
        refused(() -> small.inference(x, y, Parameters.NONE, three, three), "the function is closed");
        refused(() -> small.backward(x, x, y, Parameters.NONE, saved), "the function is closed");
    }

    @Test
    void aBadFunctionIsNotBuilt() {
        refused(() -> BatchNormFunction.builder(0).build(), "features: 0 given, must be at least 1");
        refused(() -> BatchNormFunction.builder(2).eps(0).build(), "eps: 0.0 given");
        refused(() -> BatchNormFunction.builder(2).threads(0).build(), "threads: 0 given, must be at least 1");
        refused(() -> BatchNormFunction.builder(2).backend("cuda").build(), "backend: \"cuda\" given");
        refused(
                () -> BatchNormFunction.builder(2)
                        .backend("scalar")
                        .device("0:0")
                        .build(),
                "device: \"0:0\" given");
        BatchNormFunction function =
                BatchNormFunction.builder(2).backend("scalar").build();
        assertThat(function.eps()).isEqualTo(1e-5);
        assertThat(function.features()).isEqualTo(2);
        function.close();
    }

    private static Batch x(Values in) {
        return Batch.of(in.x(), in.shape());
    }

    private static Batch dy(Values in) {
        return Batch.of(in.dy(), in.shape());
    }

    private static Batch empty(BatchShape shape) {
        return Batch.of(new float[(int) shape.elements()], shape);
    }

    /** With gradients that hold something else before. */
    private static Parameters parameters(Values in) {
        float[] dgamma = new float[in.weight().length];
        Arrays.fill(dgamma, 77);
        return new Parameters(in.weight(), in.bias(), dgamma, dgamma.clone());
    }

    private static void refused(ThrowingCallable call, String message) {
        assertThatThrownBy(call)
                .isInstanceOfAny(IllegalArgumentException.class, IllegalStateException.class)
                .hasMessageContaining(message);
    }
}

package org.batchnorm.bench.workload;

import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.Map;
import org.batchnorm.BatchNormFunction;
import org.batchnorm.Parameters;
import org.batchnorm.SavedStatistics;
import org.batchnorm.data.Batch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ExpectedTest {
    private static final double TOLERANCE = 1e-5;

    /** The last two are so large that only some of their features are checked. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "7x5",
                "4x6x3x3",
                "4x6x3x3:channels-last",
                "1500x1000",
                "300x8x33x20",
                "300x8x33x20:channels-last"
            })
    void acceptsWhatTheScalarBackendComputes(String text) {
        BenchShape shape = BenchShape.parse(text);
        Inputs in = Inputs.of(Operation.FORWARD, shape);
        float[] y = forward(shape, in);
        assertThatCode(() ->
                        Expected.of(Operation.FORWARD, shape, in).check("scalar", Map.of(Expected.Y, y), TOLERANCE))
                .doesNotThrowAnyException();
    }

    @ParameterizedTest
    @ValueSource(strings = {"7x5", "1500x1000", "300x8x33x20", "300x8x33x20:channels-last"})
    void refusesOneWrongValueInTheLastFeature(String text) {
        BenchShape shape = BenchShape.parse(text);
        Inputs in = Inputs.of(Operation.FORWARD, shape);
        float[] y = forward(shape, in);
        y[y.length - 1] += 0.01f;
        assertThatThrownBy(() ->
                        Expected.of(Operation.FORWARD, shape, in).check("somebody", Map.of(Expected.Y, y), TOLERANCE))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("somebody is wrong on forward " + text);
    }

    @Test
    void refusesNotANumber() {
        BenchShape shape = BenchShape.parse("7x5");
        Inputs in = Inputs.of(Operation.FORWARD, shape);
        float[] y = forward(shape, in);
        y[3] = Float.NaN;
        assertThatThrownBy(() ->
                        Expected.of(Operation.FORWARD, shape, in).check("somebody", Map.of(Expected.Y, y), TOLERANCE))
                .hasMessageContaining("NaN");
    }

    @Test
    void refusesAMissingGradient() {
        BenchShape shape = BenchShape.parse("7x5");
        Inputs in = Inputs.of(Operation.BACKWARD, shape);
        assertThatThrownBy(() -> Expected.of(Operation.BACKWARD, shape, in).check("somebody", Map.of(), TOLERANCE))
                .hasMessageContaining("0 values of dx");
    }

    private static float[] forward(BenchShape shape, Inputs in) {
        float[] y = new float[shape.elements()];
        try (BatchNormFunction function = BatchNormFunction.builder(shape.c())
                .eps(Inputs.EPS)
                .backend("scalar")
                .build()) {
            function.forward(
                    Batch.of(in.x(), shape.batchShape()),
                    Batch.of(y, shape.batchShape()),
                    Parameters.of(in.gamma(), in.beta()),
                    new SavedStatistics(shape.c()));
        }
        return y;
    }
}

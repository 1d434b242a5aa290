package org.batchnorm.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.HashMap;
import java.util.Map;
import java.util.OptionalDouble;
import org.batchnorm.spi.BackendUnavailableException;
import org.batchnorm.spi.IsolatedProviders;
import org.batchnorm.state.Safetensors;
import org.batchnorm.state.Tensor;
import org.junit.jupiter.api.Test;

/** The check itself: a wrong quantity fails, and no other one does. */
class ConformanceCheckTest {
    private static final String BACKEND = "scalar";

    @Test
    void aRightCasePassesInEveryQuantity() {
        CaseResult result = ConformanceCheck.run(ofOneColumn(Map.of(), Map.of()), BACKEND);
        assertThat(result.caseName()).isEqualTo("column");
        assertThat(result.backend()).isEqualTo(BACKEND);
        assertThat(result.message()).isEmpty();
        assertThat(result.pass()).isTrue();
        assertThat(result.quantities()).extracting(QuantityResult::quantity).containsExactly(Quantity.values());
        assertThat(result.quantities())
                .allSatisfy(quantity -> assertThat(quantity.maxAbs()).isLessThan(1e-6));
    }

    @Test
    void aWrongExpectationFailsInItsQuantityAlone() {
        for (Quantity quantity : Quantity.values()) {
            String name = "expected." + quantity.tensorName();
            ConformanceCase right = ofOneColumn(Map.of(), Map.of());
            Tensor wrong = quantity == Quantity.NUM_BATCHES_TRACKED
                    ? Tensor.ofLong(3)
                    : moved(right.expected(quantity).orElseThrow());
            CaseResult result = ConformanceCheck.run(ofOneColumn(Map.of(name, wrong), Map.of()), BACKEND);
            assertThat(result.pass()).as(name).isFalse();
            assertThat(result.message())
                    .startsWith(quantity.tensorName() + ": ")
                    .doesNotContain("; dx");
            assertThat(result.quantities())
                    .filteredOn(each -> !each.pass())
                    .extracting(QuantityResult::quantity)
                    .containsExactly(quantity);
        }
    }

    @Test
    void aTypeThatABackendDoesNotTakeIsRefusedAndNoFailure() {
        IsolatedProviders.run(Refusals.class, "org.batchnorm.spi.TestBackends$Device");
    }

    static final class Refusals implements Runnable {
        @Override
        public void run() {
            CaseResult half = ConformanceCheck.run(ConformanceFiles.read("f16_eval_nhwc_2_4_5_7"), "device");
            assertThat(half.refused()).isTrue();
            assertThat(half.failed()).isFalse();
            assertThat(half.pass()).isFalse();
            assertThat(half.backend()).isEqualTo("device");
            assertThat(half.message()).startsWith("x: FLOAT16 given, but the backend device takes FLOAT32 alone");
            CaseResult wide = ConformanceCheck.run(ConformanceFiles.read("f64_eval_ncl_3_5_11"), "device");
            assertThat(wide.refused()).isTrue();
            assertThat(wide.failed()).isFalse();
            assertThat(wide.message())
                    .startsWith("elementType: FLOAT64 given, but the backend device does not take it");
            CaseResult single = ConformanceCheck.run(ConformanceFiles.read("eval_n1_c17"), "device");
            assertThat(single.refused()).isFalse();
            assertThat(single.message()).isEmpty();
        }
    }

    @Test
    void pytorchsErrorWidensTheBoundAndIsReported() {
        Tensor expected = ofOneColumn(Map.of(), Map.of()).expected(Quantity.Y).orElseThrow();
        double[] shifted = expected.doubles();
        shifted[0] += 50 * ErrorBound.UNIT_ROUNDOFF;
        Map<String, Tensor> tensors = Map.of("expected.y", Tensor.ofDoubles(shifted, 3, 1));
        CaseResult strict = ConformanceCheck.run(ofOneColumn(tensors, Map.of()), BACKEND);
        assertThat(strict.pass()).isFalse();
        CaseResult wide =
                ConformanceCheck.run(ofOneColumn(tensors, Map.of("pytorch_float32_max_abs_error.y", "1e-3")), BACKEND);
        assertThat(wide.message()).isEmpty();
        assertThat(wide.quantities().getFirst().pytorchMaxAbs()).isEqualTo(OptionalDouble.of(1e-3));
    }

    /** dy = 3, 4, −7: dbeta is 0, and what is rounded on the way to it is ‖dy‖₂ = √74. */
    @Test
    void whereTermsCancelTheBoundIsThatOfWhatIsRounded() {
        Map<String, Tensor> tensors = new HashMap<>();
        tensors.put("dy", Tensor.ofFloats(new float[] {3, 4, -7}, 3, 1));
        // x̂ = −√1.5, 0, √1.5; dgamma = −10·√1.5; dx = 2·√1.5/3·(3·dy − x̂·dgamma).
        double sqrt = Math.sqrt(1.5);
        double factor = 2 * sqrt / 3;
        tensors.put("expected.dweight", Tensor.ofDoubles(new double[] {-10 * sqrt}, 1));
        tensors.put("expected.dx", Tensor.ofDoubles(new double[] {-6 * factor, 12 * factor, -6 * factor}, 3, 1));
        double most = 8 * ErrorBound.UNIT_ROUNDOFF * Math.sqrt(74);
        tensors.put("expected.dbias", Tensor.ofDoubles(new double[] {0.99 * most}, 1));
        CaseResult near = ConformanceCheck.run(ofOneColumn(tensors, Map.of()), BACKEND);
        assertThat(near.message()).isEmpty();
        assertThat(bound(near, Quantity.DBIAS)).isEqualTo(most);
        // |γ · rstd · g| is largest for dy = −7; the mean has std / √m = √(2/3) / √3, which is less than it.
        assertThat(bound(near, Quantity.DX))
                .isCloseTo(8 * ErrorBound.UNIT_ROUNDOFF * 14 * sqrt * (1 + 0x1p-10), within(1e-13));
        assertThat(bound(near, Quantity.MEAN)).isEqualTo(8 * ErrorBound.UNIT_ROUNDOFF * 2);

        tensors.put("expected.dbias", Tensor.ofDoubles(new double[] {1.01 * most}, 1));
        CaseResult beyond = ConformanceCheck.run(ofOneColumn(tensors, Map.of()), BACKEND);
        assertThat(beyond.message()).startsWith("dbias: element 0 is 0.0");
    }

    private static double bound(CaseResult result, Quantity quantity) {
        return result.quantities().stream()
                .filter(each -> each.quantity() == quantity)
                .findFirst()
                .orElseThrow()
                .bound();
    }

    @Test
    void whatTheLayerRefusesIsAFailedCase() {
        Map<String, Tensor> tensors = new HashMap<>();
        tensors.put("x", Tensor.ofFloats(new float[2], 1, 2));
        tensors.put("expected.y", Tensor.ofDoubles(new double[2], 1, 2));
        CaseResult result = ConformanceCheck.run(ConformanceCase.of("one value", contents(tensors, Map.of())), BACKEND);
        assertThat(result.pass()).isFalse();
        assertThat(result.quantities()).isEmpty();
        assertThat(result.message()).contains("IllegalArgumentException", "expected more than 1 value per feature");
    }

    @Test
    void aBackendThatIsNotThereIsNoFailedCaseButAnError() {
        ConformanceCase given = ofOneColumn(Map.of(), Map.of());
        assertThatThrownBy(() -> ConformanceCheck.run(given, "gpu"))
                .isInstanceOf(IllegalArgumentException.class)
                .isNotInstanceOf(BackendUnavailableException.class)
                .hasMessageContaining("backend: \"gpu\" given");
    }

    /**
     * x = 1, 2, 3 with weight 2, bias 1, running mean 0 and running variance 1. All values are worked out by hand. They
     * leave eps out, which is negligible here.
     */
    private static ConformanceCase ofOneColumn(Map<String, Tensor> otherTensors, Map<String, String> otherMetadata) {
        double sqrt = Math.sqrt(1.5);
        Map<String, Tensor> tensors = new HashMap<>();
        tensors.put("x", Tensor.ofFloats(new float[] {1, 2, 3}, 3, 1));
        tensors.put("dy", Tensor.ofFloats(new float[] {1, 0, 0}, 3, 1));
        tensors.put("weight", Tensor.ofFloats(new float[] {2}, 1));
        tensors.put("bias", Tensor.ofFloats(new float[] {1}, 1));
        tensors.put("running_mean", Tensor.ofFloats(new float[] {0}, 1));
        tensors.put("running_var", Tensor.ofFloats(new float[] {1}, 1));
        tensors.put("num_batches_tracked", Tensor.ofLong(4));
        tensors.put("expected.y", Tensor.ofDoubles(new double[] {1 - 2 * sqrt, 1, 1 + 2 * sqrt}, 3, 1));
        // x̂ = −√1.5, 0, √1.5; dbeta = 1; dgamma = −√1.5; dx = 2·√1.5/3·(3·dy − 1 − x̂·dgamma).
        tensors.put(
                "expected.dx",
                Tensor.ofDoubles(new double[] {sqrt * 2 / 3 * 0.5, -sqrt * 2 / 3, sqrt * 2 / 3 * 0.5}, 3, 1));
        tensors.put("expected.dweight", Tensor.ofDoubles(new double[] {-sqrt}, 1));
        tensors.put("expected.dbias", Tensor.ofDoubles(new double[] {1}, 1));
        tensors.put("expected.mean", Tensor.ofDoubles(new double[] {2}, 1));
        tensors.put("expected.rstd", Tensor.ofDoubles(new double[] {sqrt}, 1));
        tensors.put("expected.running_mean", Tensor.ofDoubles(new double[] {0.5}, 1));
        tensors.put("expected.running_var", Tensor.ofDoubles(new double[] {1}, 1));
        tensors.put("expected.num_batches_tracked", Tensor.ofLong(5));
        tensors.putAll(otherTensors);
        return ConformanceCase.of("column", contents(tensors, otherMetadata));
    }

    private static Safetensors.Contents contents(Map<String, Tensor> tensors, Map<String, String> otherMetadata) {
        Map<String, String> metadata = new HashMap<>(Map.of(
                "format", "batchnorm-case",
                "version", "1",
                "mode", "training",
                "eps", "1e-12",
                "momentum", "0.25",
                "layout", "channels_first"));
        metadata.putAll(otherMetadata);
        return new Safetensors.Contents(tensors, metadata);
    }

    private static Tensor moved(Tensor tensor) {
        double[] values = tensor.doubles();
        values[0] += 1e-4;
        return Tensor.ofDoubles(values, tensor.shape());
    }
}

package org.batchnorm.float64;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.batchnorm.conformance.CaseResult;
import org.batchnorm.conformance.ConformanceCase;
import org.batchnorm.conformance.ConformanceCheck;
import org.batchnorm.conformance.QuantityResult;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.state.Safetensors;
import org.batchnorm.state.SafetensorsException;
import org.batchnorm.state.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Conformance files in F64, whose expected values are exact ones, rounded once. */
class CasesTest {
    private static final BatchShape SHAPE = BatchShape.channelsFirst(4, 3, 5, 7);

    @TempDir
    Path folder;

    @ParameterizedTest
    @ValueSource(strings = {"training", "inference"})
    void passesOnEveryBackend(String mode) throws IOException {
        requirePass(folder, mode, "vector");
        requirePass(folder, mode, "scalar");
    }

    static void requirePass(Path folder, String mode, String backend) throws IOException {
        for (double mean : new double[] {0, 1e9}) {
            ConformanceCase given = ConformanceCase.read(write(folder, tensors(mode, mean), mode));
            assertThat(given.type()).isEqualTo(ElementType.FLOAT64);
            assertThat(given.config().elementType()).isEqualTo(ElementType.FLOAT64);
            CaseResult result = ConformanceCheck.run(given, backend);
            assertThat(result.message()).isEmpty();
            assertThat(result.quantities()).hasSize(mode.equals("training") ? 9 : 7);
            assertThat(result.quantities()).extracting(QuantityResult::bound).allMatch(bound -> bound < 1e-4);
        }
    }

    /** Twenty roundings are too many. */
    @Test
    void failsWhereFloat64IsLost() throws IOException {
        Map<String, Tensor> tensors = tensors("training", 0);
        double[] y = tensors.get("expected.y").doubles();
        double largest = 0;
        for (double value : y) {
            largest = Math.max(largest, Math.abs(value));
        }
        y[17] += 20 * 0x1p-53 * largest;
        tensors.put("expected.y", Tensor.ofDoubles(y, 4, 3, 5, 7));
        CaseResult result = ConformanceCheck.run(ConformanceCase.read(write(folder, tensors, "training")), "vector");
        assertThat(result.pass()).isFalse();
        assertThat(result.message()).startsWith("y: element 17 is ").doesNotContain("dx");
    }

    @Test
    void kindsAreNotMixed() throws IOException {
        Map<String, Tensor> tensors = tensors("training", 0);
        Tensor dy = tensors.get("dy");
        tensors.put("dy", Tensor.ofFloats(dy.floats(), dy.shape()));
        refuses(tensors, "tensor \"dy\" is F32[4, 3, 5, 7], must be F64");
        tensors.put("dy", dy);
        tensors.put("weight", Tensor.ofFloats(new float[3], 3));
        refuses(tensors, "tensor \"weight\" is F32[3], must be F64");
        tensors = tensors("training", 0);
        tensors.put("x", Tensor.ofFloats(tensors.get("x").floats(), dy.shape()));
        refuses(tensors, "tensor \"dy\" is F64[4, 3, 5, 7], must be F32");
    }

    private void refuses(Map<String, Tensor> tensors, String message) throws IOException {
        Path file = write(folder, tensors, "training");
        assertThatThrownBy(() -> ConformanceCase.read(file))
                .isInstanceOf(SafetensorsException.class)
                .hasMessageContaining(message);
    }

    private static Map<String, Tensor> tensors(String mode, double mean) {
        Inputs in = Inputs.random(SHAPE, 81, mean, 1);
        boolean training = mode.equals("training");
        Inputs given = training ? in : in.withGivenStatistics(82);
        Outputs exact = new Exact(given).rounded();
        Map<String, Tensor> tensors = new LinkedHashMap<>();
        tensors.put("x", Tensor.ofDoubles(in.x(), 4, 3, 5, 7));
        tensors.put("dy", Tensor.ofDoubles(in.dy(), 4, 3, 5, 7));
        tensors.put("weight", ofFeatures(in.gamma()));
        tensors.put("bias", ofFeatures(in.beta()));
        tensors.put("running_mean", training ? ofFeatures(new double[3]) : ofFeatures(given.mean()));
        tensors.put("running_var", training ? ofFeatures(new double[] {1, 1, 1}) : ofFeatures(given.variance()));
        tensors.put("num_batches_tracked", Tensor.ofLong(0));
        tensors.put("expected.y", Tensor.ofDoubles(exact.y, 4, 3, 5, 7));
        tensors.put("expected.dx", Tensor.ofDoubles(exact.dx, 4, 3, 5, 7));
        tensors.put("expected.dweight", ofFeatures(exact.dgamma));
        tensors.put("expected.dbias", ofFeatures(exact.dbeta));
        tensors.put("expected.mean", ofFeatures(exact.mean));
        tensors.put("expected.rstd", ofFeatures(exact.rstd));
        tensors.put("expected.num_batches_tracked", Tensor.ofLong(training ? 1 : 0));
        if (training) {
            double[] runningMean = new double[3];
            double[] runningVar = new double[3];
            for (int c = 0; c < 3; c++) {
                runningMean[c] = 0.1 * exact.mean[c];
                runningVar[c] = 0.9 + 0.1 * exact.variance[c] * 140 / 139;
            }
            tensors.put("expected.running_mean", ofFeatures(runningMean));
            tensors.put("expected.running_var", ofFeatures(runningVar));
        }
        return tensors;
    }

    private static Tensor ofFeatures(double[] values) {
        return Tensor.ofDoubles(values, values.length);
    }

    private static Path write(Path folder, Map<String, Tensor> tensors, String mode) throws IOException {
        Path file = folder.resolve("case.safetensors");
        Safetensors.write(
                file,
                tensors,
                Map.of(
                        "format", "batchnorm-case",
                        "version", "1",
                        "mode", mode,
                        "layout", "channels_first",
                        "eps", "1e-05",
                        "momentum", "0.1"));
        return file;
    }
}

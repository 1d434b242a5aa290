package org.batchnorm.float64;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.util.Arrays;
import java.util.Map;
import org.batchnorm.conformance.CaseResult;
import org.batchnorm.conformance.ConformanceCase;
import org.batchnorm.conformance.ConformanceCheck;
import org.batchnorm.conformance.ConformanceFiles;
import org.batchnorm.conformance.Quantity;
import org.batchnorm.conformance.QuantityResult;
import org.batchnorm.data.ElementType;
import org.batchnorm.state.Tensor;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The stored conformance files of 16-bit types and of float64. */
class CaseFilesTest {
    private static final double LEAST_NORMAL_OF_FLOAT16 = 0x1p-14;

    @Test
    void theStoredFilesAreThoseThatTheFormulasGive() throws IOException {
        Map<String, byte[]> files = CaseFiles.all();
        assertThat(ConformanceFiles.ofOtherTypes().map(ConformanceCase::name))
                .containsExactlyElementsOf(files.keySet());
        for (Map.Entry<String, byte[]> file : files.entrySet()) {
            try (InputStream stored = ConformanceFiles.class.getResourceAsStream(file.getKey() + ".safetensors")) {
                assertThat(stored).as(file.getKey()).isNotNull();
                assertThat(stored.readAllBytes()).as(file.getKey()).isEqualTo(file.getValue());
            }
        }
    }

    /** Of a backend that takes every type no case is left out. */
    @ParameterizedTest
    @ValueSource(strings = {"vector", "scalar"})
    void noneIsRefusedByTheCpu(String backend) {
        assertThat(ConformanceFiles.ofOtherTypes()).hasSize(9).allSatisfy(given -> {
            CaseResult result = ConformanceCheck.run(given, backend);
            assertThat(result.refused()).isFalse();
            assertThat(result.failed()).isFalse();
            assertThat(result.message()).isEmpty();
            assertThat(result.quantities())
                    .extracting(QuantityResult::quantity)
                    .contains(Quantity.Y, Quantity.DX, Quantity.RUNNING_VAR);
        });
    }

    @Test
    void whatTheirNamesSayIsInThem() {
        double[] large = expected("f16_train_overflow_nchw_3_4_5_5", Quantity.Y);
        assertThat(Arrays.stream(large).filter(Double::isInfinite).count()).isBetween(10L, 200L);
        double[] small = expected("f16_train_subnormal_n40_c6", Quantity.Y);
        assertThat(Arrays.stream(small)).allMatch(value -> Math.abs(value) < LEAST_NORMAL_OF_FLOAT16);
        double[] x = ConformanceFiles.read("f16_train_subnormal_n40_c6").doubleX();
        assertThat(Arrays.stream(x).filter(value -> Math.abs(value) < LEAST_NORMAL_OF_FLOAT16))
                .hasSizeGreaterThan(x.length / 2);
        assertThat(ConformanceFiles.read("bf16_train_nhwc_2_5_6_9").typeOfGradient())
                .isEqualTo(ElementType.FLOAT32);
        double[] far = ConformanceFiles.read("f64_train_mean1e9_n24_c8").doubleX();
        assertThat(Arrays.stream(far)).allMatch(value -> Math.abs(value - 1e9) < 10);
    }

    private static double[] expected(String name, Quantity quantity) {
        return ConformanceFiles.read(name)
                .expected(quantity)
                .map(Tensor::doubles)
                .orElseThrow();
    }
}

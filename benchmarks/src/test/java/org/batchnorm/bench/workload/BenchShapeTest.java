package org.batchnorm.bench.workload;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.batchnorm.data.BatchShape;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BenchShapeTest {

    @ParameterizedTest
    @ValueSource(strings = {"1x1", "65536x256", "32x64x100", "32x64x56x56", "32x64x56x56:channels-last"})
    void isWrittenAsItIsRead(String text) {
        assertThat(BenchShape.parse(text)).hasToString(text);
    }

    @Test
    void isTheLibrarysShape() {
        assertThat(BenchShape.parse("32x64x56x28:channels-last").batchShape())
                .isEqualTo(BatchShape.channelsLast(32, 64, 56, 28));
        assertThat(BenchShape.parse("32x64").batchShape()).isEqualTo(BatchShape.of(32, 64));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "32",
                "x",
                "32x",
                "0x4",
                "-1x4",
                "32x64:channels-last",
                "32x64x4:nhwc",
                "a x b",
                "1x99999999999999999999"
            })
    void everythingElseIsRefused(String text) {
        assertThatThrownBy(() -> BenchShape.parse(text))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("shape: ");
    }
}

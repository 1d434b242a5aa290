package org.batchnorm.tornadovm.backend;

import static org.assertj.core.api.Assertions.assertThat;

import org.batchnorm.data.BatchShape;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CapacityTest {
    private static final long MAX = 1L << 30;

    @Test
    void channelsLastAreMoreSamples() {
        assertThat(Capacity.flatten(BatchShape.channelsLast(2, 3, 5, 7))).isEqualTo(BatchShape.of(70, 3));
        assertThat(Capacity.flatten(BatchShape.channelsFirst(2, 3, 5, 7)))
                .isEqualTo(BatchShape.channelsFirst(2, 3, 35));
    }

    @Test
    void smallBatchesShareAClass() {
        assertThat(Capacity.of(BatchShape.of(1, 100), MAX))
                .isEqualTo(Capacity.of(BatchShape.of(600, 100), MAX))
                .isNotEqualTo(Capacity.of(BatchShape.of(1, 101), MAX));
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 1000, 1023, 1024, 1025, 4097, 1_000_000, 8_000_000})
    void theClassHoldsTheBatchAndWastesLittle(long n) {
        BatchShape shape = BatchShape.channelsFirst(n, 10, 11);
        BatchShape capacity = Capacity.of(shape, MAX);
        assertThat(capacity.n()).isGreaterThanOrEqualTo(n);
        assertThat(capacity.elements()).isLessThanOrEqualTo(Math.max(1 << 17, shape.elements() * 9 / 8));
        assertThat(Capacity.of(capacity, MAX)).isEqualTo(capacity);
    }

    @Test
    void theClassIsNoLargerThanWhatCanBeAddressed() {
        assertThat(Capacity.of(BatchShape.of(1001, 100), 100_200).n()).isEqualTo(1002);
    }
}

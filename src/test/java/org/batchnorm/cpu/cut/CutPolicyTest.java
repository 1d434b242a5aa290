package org.batchnorm.cpu.cut;

import static org.assertj.core.api.Assertions.assertThat;

import org.batchnorm.data.BatchShape;
import org.junit.jupiter.api.Test;

/** Which way a batch goes. */
class CutPolicyTest {

    @Test
    void noGroupHasMoreThanTheCachesHold() {
        assertThat(groups(BatchShape.channelsFirst(16, 32, 28, 28), 2, 2)).isZero();
        assertThat(groups(BatchShape.channelsFirst(64, 16, 500, 500), 1, 2)).isZero();
        assertThat(groups(BatchShape.channelsFirst(256, 1024, 7, 7), 2, 2)).isZero();
        assertThat(groups(BatchShape.channelsLast(64, 64, 56, 56), 2, 2)).isZero();
        assertThat(groups(BatchShape.channelsFirst(64, 64, 56, 56), 2, 2)).isEqualTo(64);
    }

    private static int groups(BatchShape shape, int inputs, int threads) {
        return CutPolicy.groups(Cut.of(shape), inputs, threads);
    }
}

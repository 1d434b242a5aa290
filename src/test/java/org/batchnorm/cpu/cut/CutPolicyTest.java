package org.batchnorm.cpu.cut;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.batchnorm.cpu.kernel.Tile;
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

    /** The columns of folded rows are added up in a tile, for all features at once: so none are merged in parts. */
    @Test
    void foldedRowsHaveSoFewFeaturesThatTheseStayTogether() {
        int folded = 0;
        for (int c = 1; c <= 2 * Tile.SIZE; c++) {
            for (BatchShape shape : List.of(BatchShape.of(4096, c), BatchShape.channelsFirst(4096, c, 3))) {
                if (Cut.of(shape).columns.fold > 1) {
                    folded++;
                    assertThat(c).isLessThanOrEqualTo(Tile.SIZE);
                    assertThat(CutPolicy.mergeParts(c, 64)).isEqualTo(1);
                    assertThat(groups(shape, 2, 64)).isZero();
                }
            }
        }
        assertThat(folded).isPositive();
    }

    /** What a thread has for itself is there before it works, so threads that find no work would cost memory. */
    @Test
    void noMoreThreadsThanBlocksOrGroups() {
        assertThat(threads(BatchShape.of(60, 200))).isEqualTo(1);
        assertThat(threads(BatchShape.of(700, 300))).isEqualTo(4);
        assertThat(threads(BatchShape.of(40, 2777))).isEqualTo(5);
        assertThat(threads(BatchShape.channelsFirst(13, 17, 31, 33))).isEqualTo(8);
        assertThat(threads(BatchShape.of(4, 2_000_000))).isEqualTo(64);
        assertThat(threads(BatchShape.of(2, 500_000_000))).isEqualTo(64);
        assertThat(threads(BatchShape.channelsFirst(64, 256, 56, 56))).isLessThanOrEqualTo(128);
    }

    private static int threads(BatchShape shape) {
        int offered = 1_000_000_000;
        assertThat(CutPolicy.threads(Cut.of(shape), 3)).isBetween(1, 3);
        return CutPolicy.threads(Cut.of(shape), offered);
    }

    private static int groups(BatchShape shape, int inputs, int threads) {
        return CutPolicy.groups(Cut.of(shape), inputs, threads);
    }
}

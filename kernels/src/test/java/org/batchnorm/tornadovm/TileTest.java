package org.batchnorm.tornadovm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.batchnorm.tornadovm.kernels.Tile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What goes into a tile comes out of it, up to the last bit of each field. */
class TileTest {

    @ParameterizedTest
    @CsvSource({"1, 1, 1", "32767, 100, 5", "7, 65535, 1", "7, 1, 65535", "2147483647, 32767, 65535"})
    void fieldsComeBack(int depth, int columns, int rows) {
        for (long tile : new long[] {Tile.sharedBy(depth, columns, rows), Tile.keeping(depth, columns, rows)}) {
            assertThat(Tile.columns(tile)).as("columns").isEqualTo(columns);
            assertThat(Tile.rows(tile)).as("rows").isEqualTo(rows);
            assertThat(Tile.items(tile)).as("items").isEqualTo(columns * rows);
            assertThat(Tile.groups(tile)).as("groups").isEqualTo(depth);
            assertThat(Tile.keep(tile)).as("keep").isEqualTo(depth);
        }
    }

    @Test
    void whatDoesNotFitIsRefused() {
        for (int value : new int[] {0, -1, 65536, Integer.MAX_VALUE}) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> Tile.sharedBy(1, value, 1))
                    .withMessage("tileColumns: " + value + " given, must be 1 to 65535, for which a tile has 16 bits");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> Tile.sharedBy(1, 1, value))
                    .withMessage("tileRows: " + value + " given, must be 1 to 65535, for which a tile has 16 bits");
        }
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Tile.sharedBy(0, 1, 1))
                .withMessage("groups: 0 given, must be 1 to 2147483647, for which a tile has 31 bits");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Tile.keeping(-5, 1, 1))
                .withMessageStartingWith("keep: -5 given");
    }
}

package org.batchnorm.tornadovm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.batchnorm.tornadovm.kernels.View;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What goes into a view comes out of it, up to the last bit of each field. */
class ViewTest {
    private static final int MOST = Integer.MAX_VALUE;

    @ParameterizedTest
    @CsvSource({"1, 1", "100, 1", "1, 100", "64, 1023", "2147483647, 1", "1, 2147483647", "2147483647, 2147483647"})
    void contiguousFeaturesAndPlanesAreTheColumns(int features, int positions) {
        long contiguous = View.contiguous(features, positions);
        assertGeometry(contiguous, features, 1, 1);
        assertThat(View.rowsPerSample(contiguous)).isEqualTo(positions);

        long planes = View.planes(features, positions);
        assertGeometry(planes, features, 1, positions);
        assertThat(View.rowsPerSample(planes)).isEqualTo(positions);
    }

    @ParameterizedTest
    @CsvSource({"1, 1", "40, 7", "143165576, 15", "2147483647, 1", "1, 2147483647", "46340, 46341"})
    void smallPlanesAreColumnsByPosition(int features, int positions) {
        long view = View.smallPlanes(features, positions);
        assertGeometry(view, features * positions, positions, 1);
        assertThat(View.rowsPerSample(view)).isEqualTo(1);
    }

    private static void assertGeometry(long view, int columns, int span, int spatial) {
        assertThat(View.columns(view)).as("columns").isEqualTo(columns);
        assertThat(View.span(view)).as("span").isEqualTo(span);
        assertThat(View.spatial(view)).as("spatial").isEqualTo(spatial);
        assertThat(View.features(view)).as("features").isEqualTo(columns / span);
    }

    @ParameterizedTest
    @CsvSource({"0", "-1", "-2147483648"})
    void lessThanOneIsRefused(int value) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> View.contiguous(value, 3))
                .withMessageContaining("columns: " + value + " given, must be 1 to " + MOST);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> View.planes(3, value))
                .withMessageContaining("positions: " + value + " given, must be 1 to " + MOST);
    }

    @ParameterizedTest
    @CsvSource({"46341, 46341, 2147488281", "1073741824, 2, 2147483648", "2147483647, 15, 32212254705"})
    void moreColumnsThanAnIntAreRefused(int features, int positions, long columns) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> View.smallPlanes(features, positions))
                .withMessage("columns: " + columns + " given, must be 1 to " + MOST + ", for which a view has 31 bits");
    }
}

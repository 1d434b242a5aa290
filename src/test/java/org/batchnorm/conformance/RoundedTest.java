package org.batchnorm.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.batchnorm.data.BatchShape;
import org.junit.jupiter.api.Test;

/** Numbers worked out by hand. */
class RoundedTest {
    private static final double SHARE = Math.pow(2, -10);
    private static final BatchShape TWO_BY_TWO = BatchShape.of(2, 2);

    @Test
    void theMeanHasTheDeviationOverTheRootOfTheCount() {
        assertThat(Rounded.mean(BatchShape.channelsFirst(2, 2, 2), new double[] {1, 16}))
                .containsExactly(0.5, 2);
        assertThat(Rounded.runningMean(BatchShape.of(4, 2), new double[] {1, 16}, 0.25))
                .containsExactly(0.125, 0.5);
    }

    @Test
    void gradientsThroughTheStatisticsHaveWhatIsLeftWithoutTheMeanOfDy() {
        // Feature 0: x = 1, 3 (x̂ = −1, 1), dy = 5, 3 (g = 1, −1). Feature 1: x = 10, 14 (x̂ = −1, 1), dy = 2, 2 (g =
        // 0).
        double[] x = {1, 10, 3, 14};
        double[] dy = {5, 2, 3, 2};
        double[] gamma = {-2, 3};
        double[] mean = {2, 12};
        double[] rstd = {1, 0.5};
        Reference.Gradients rounded = Rounded.gradients(TWO_BY_TWO, x, dy, gamma, mean, rstd, true);
        assertThat(rounded.dx()).containsExactly(2 + 10 * SHARE, 3 * SHARE, 2 + 6 * SHARE, 3 * SHARE);
        assertThat(rounded.dgamma()).containsExactly(Math.sqrt(2) + SHARE * Math.sqrt(34), SHARE * Math.sqrt(8));
        assertThat(rounded.dbeta()).containsExactly(Math.sqrt(34), Math.sqrt(8));
    }

    @Test
    void gradientsThroughGivenStatisticsHaveDyItself() {
        double[] x = {1, 10, 3, 14};
        double[] dy = {5, 2, 3, 2};
        double[] mean = {0, 10};
        double[] rstd = {1, 0.5};
        Reference.Gradients rounded = Rounded.gradients(TWO_BY_TWO, x, dy, new double[] {-2, 3}, mean, rstd, false);
        assertThat(rounded.dx()).containsExactly(10, 3, 6, 3);
        // x̂ = 1, 3 and 0, 2
        assertThat(rounded.dgamma()).containsExactly(Math.sqrt(25 + 81), 4);
        assertThat(rounded.dbeta()).containsExactly(Math.sqrt(34), Math.sqrt(8));
    }

    @Test
    void withoutGammaItIsOne() {
        double[] x = {0, 2};
        double[] dy = {1, 2};
        Reference.Gradients rounded =
                Rounded.gradients(BatchShape.of(2, 1), x, dy, null, new double[] {1}, new double[] {1}, true);
        assertThat(rounded.dx()[0]).isCloseTo(0.5 + SHARE, within(0.0));
        assertThat(rounded.dx()[1]).isCloseTo(0.5 + 2 * SHARE, within(0.0));
    }
}

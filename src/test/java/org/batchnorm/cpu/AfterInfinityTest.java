package org.batchnorm.cpu;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.Tensors;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Operations use the same scratch one after the other: what a batch that is not finite leaves there spoils no other.
 */
class AfterInfinityTest {
    private static final int SPOILED = 700;

    /** The gradient of γ in that feature was reduced about a shift of dy, which only the batch's own mean allows. */
    @ParameterizedTest
    @CsvSource({"vector, Infinity", "vector, NaN", "scalar, Infinity", "scalar, NaN"})
    void aFrozenBackwardIsRightAfterGradientsThatAreNotFinite(String backend, float value) {
        BatchNormOperations operations = CpuAccuracyTest.open(backend, 1);
        Problem spoiled = new Problem(BatchShape.of(4, 1021), 1, 2, 68);
        spoiled.dy[spoiled.index(SPOILED, 0)] = value;
        float[] dgamma = new CpuAccuracyTest.Result(operations, spoiled).dgamma;
        assertThat(Float.isFinite(dgamma[SPOILED])).isFalse();

        Problem problem = new Problem(spoiled.shape, 1, 2, 67);
        BatchStatistics given = problem.statistics();
        given.mean()[SPOILED] += 1;
        double expected = 0;
        for (int i = 0; i < problem.shape.valuesPerFeature(); i++) {
            int at = problem.index(SPOILED, i);
            double distance = (double) problem.x[at] - given.mean()[SPOILED] - given.meanLow()[SPOILED];
            expected += problem.dy[at] * distance * given.rstd()[SPOILED];
        }
        Tensors tensors = new Tensors();
        tensors.backward(problem.of(problem.x), problem.of(problem.dy), problem.of(new float[problem.x.length]));
        assertThat(problem.frozenBackward(operations, tensors, given).dgamma()[SPOILED])
                .isCloseTo(expected, within(1e-5));
    }
}

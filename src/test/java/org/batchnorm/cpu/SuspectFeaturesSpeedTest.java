package org.batchnorm.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Random;
import org.batchnorm.InTurns;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Features that are done again in double precision cost little more than others. A machine that does other things
 * beside gets some slack here: done feature by feature, with a stride of C on one thread, those near 1e-22 cost 12
 * times as much, and those near 1e37, which are also mapped in double precision, 23 to 38 times.
 */
@Tag("thorough")
class SuspectFeaturesSpeedTest {
    private static final double MOST = 4;
    private static final int ROUNDS = 8;
    private static final long ROUND_NANOS = 60_000_000;
    private static final BatchShape SHAPE = BatchShape.of(16384, 256);

    @ParameterizedTest
    @CsvSource({
        "vector, 1, 1e-22, 4",
        "vector, 2, 1e-22, 4",
        "vector, 1, 1e37, 8",
        "vector, 2, 1e37, 8",
        "scalar, 2, 1e-22, 4"
    })
    void valuesOutOfRangeCostLittleMore(String backend, int threads, float size, double most) {
        Problem ordinary = new Problem(SHAPE, 0, 1, 67);
        Problem extreme = new Problem(SHAPE, 0, 1, 67);
        for (int i = 0; i < extreme.x.length; i++) {
            extreme.x[i] *= size;
        }
        BatchNormOperations operations = CpuAccuracyTest.open(backend, threads);
        double[] ofOrdinary = best(operations, ordinary);
        double[] ofExtreme = best(operations, extreme);
        assertThat(ofExtreme[0] / ofOrdinary[0]).as("forward").isLessThan(most);
        assertThat(ofExtreme[1] / ofOrdinary[1]).as("backward").isLessThan(most);
    }

    /** Where the samples of which the shift is made are all outliers. */
    @ParameterizedTest
    @CsvSource({"vector, 1", "vector, 2"})
    void unusualSamplesCostLittleMore(String backend, int threads) {
        Problem ordinary = new Problem(SHAPE, 0, 1, 67);
        Problem unusual = new Problem(SHAPE, 20, 1, 67);
        Random random = new Random(71);
        for (int row = 0; row < SHAPE.n(); row += 128) {
            for (int c = 0; c < SHAPE.c(); c++) {
                unusual.x[unusual.index(c, row)] = 0;
                unusual.dy[unusual.index(c, row)] = 50 + random.nextFloat();
            }
        }
        BatchNormOperations operations = CpuAccuracyTest.open(backend, threads);
        double[] ofOrdinary = best(operations, ordinary);
        double[] ofUnusual = best(operations, unusual);
        assertThat(ofUnusual[0] / ofOrdinary[0]).as("forward").isLessThan(MOST);
        assertThat(ofUnusual[1] / ofOrdinary[1]).as("backward").isLessThan(MOST);
    }

    /** The least milliseconds of a forward and of a backward. */
    private static double[] best(BatchNormOperations operations, Problem problem) {
        BatchStatistics statistics = new BatchStatistics(SHAPE.c());
        Normalization normalization = new Normalization(problem.gamma, problem.beta, Problem.EPS, statistics, true);
        Tensors tensors = new Tensors();
        GradientSums sums = new GradientSums(SHAPE.c());
        float[] out = new float[problem.x.length];
        double[] best = {Double.MAX_VALUE, Double.MAX_VALUE};
        for (int i = 0; i < ROUNDS; i++) {
            double forward = InTurns.millis(
                    () -> operations.forward(tensors.forward(problem.of(problem.x), problem.of(out)), normalization),
                    ROUND_NANOS);
            double backward = InTurns.millis(
                    () -> operations.backward(
                            tensors.backward(problem.of(problem.x), problem.of(problem.dy), problem.of(out)),
                            normalization,
                            sums),
                    ROUND_NANOS);
            best[0] = Math.min(best[0], forward);
            best[1] = Math.min(best[1], backward);
        }
        return best;
    }
}

package org.batchnorm.cpu.kernel.vector;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.Random;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.Kernels;
import org.batchnorm.cpu.kernel.Operands;
import org.batchnorm.cpu.kernel.PerFeature;
import org.batchnorm.cpu.kernel.Rows;
import org.batchnorm.cpu.kernel.Sums;
import org.batchnorm.cpu.kernel.Tile;
import org.batchnorm.cpu.kernel.scalar.ScalarKernels;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.GradientSums;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What merges and samples in both backends gives the same bits, so that either may stand in for the other. */
class MergeTwinsTest {
    private static final int ROWS = 70;
    private static final Kernels VECTOR = new VectorKernels();
    private static final Kernels SCALAR = new ScalarKernels();

    @ParameterizedTest
    @ValueSource(ints = {1, 3, 8, 16, 100, 128, 131, 1000})
    void statisticsAreTheSame(int features) {
        Result vector = Result.ofStatistics(VECTOR, features);
        Result scalar = Result.ofStatistics(SCALAR, features);
        assertThat(vector.all()).isEqualTo(scalar.all());
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3, 8, 16, 100, 128, 131, 1000})
    void gradientsAreTheSame(int features) {
        for (long count : new long[] {2, ROWS}) {
            for (boolean through : new boolean[] {true, false}) {
                Result vector = Result.ofGradients(VECTOR, features, count, through);
                Result scalar = Result.ofGradients(SCALAR, features, count, through);
                assertThat(vector.all()).isEqualTo(scalar.all());
            }
        }
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 3, 8, 16, 100, 128, 131, 1000})
    void samplesAreTheSame(int features) {
        Result vector = new Result(features);
        Result scalar = new Result(features);
        for (int samples = 1; samples < 10; samples++) {
            vector.sample(VECTOR, samples);
            scalar.sample(SCALAR, samples);
            assertThat(vector.c.shift).isEqualTo(scalar.c.shift);
        }
    }

    /** Random inputs, the same for both, and what a kernel makes of them. */
    private static final class Result {
        private final int features;
        private final Operands o = new Operands();
        private final Sums sums = new Sums();
        private final PerFeature f = new PerFeature();
        private final Coefficients c = new Coefficients();

        private Result(int features) {
            this.features = features;
            Random random = new Random(features);
            float[] x = new float[ROWS * features];
            c.reserve(features);
            sums.reserve(features);
            f.count = ROWS;
            f.eps = 1e-5;
            f.gamma = new float[features];
            f.beta = new float[features];
            f.statistics = new BatchStatistics(features);
            f.ofForward = f.statistics;
            f.gradients = new GradientSums(features);
            for (int i = 0; i < features; i++) {
                f.gamma[i] = (float) random.nextGaussian();
                f.beta[i] = (float) random.nextGaussian();
                c.shift[i] = (float) random.nextGaussian();
                sums.sum[i] = random.nextGaussian();
                sums.product[i] = ROWS * (1 + random.nextDouble());
            }
            for (int i = 0; i < x.length; i++) {
                x[i] = (float) (2 + random.nextGaussian());
            }
            o.set(Batch.of(x, BatchShape.of(ROWS, features)), null, null);
        }

        static Result ofStatistics(Kernels kernels, int features) {
            Result result = new Result(features);
            kernels.mergeStatistics(false).merge(result.sums, result.f, result.c, 0, features);
            return result;
        }

        static Result ofGradients(Kernels kernels, int features, long count, boolean through) {
            Result result = ofStatistics(SCALAR, features);
            result.f.count = count;
            result.f.throughStatistics = through;
            kernels.mergeGradients(false).merge(result.sums, result.f, result.c, 0, features);
            return result;
        }

        void sample(Kernels kernels, int samples) {
            Rows rows = new Rows(new Tile());
            rows.columns(features, 0, features).rows(0, samples).streams(1, 7L * features);
            kernels.sampling(o, false).sample(o, rows, c);
        }

        /** All outputs, one after the other. */
        double[] all() {
            float[][] floats = {
                f.statistics.mean(),
                f.statistics.meanLow(),
                f.statistics.variance(),
                f.statistics.rstd(),
                c.centre,
                c.dyCentre,
                c.scale,
                c.slope,
                c.offset
            };
            double[] all = Arrays.copyOf(f.gradients.dgamma(), (floats.length + 2) * features);
            System.arraycopy(f.gradients.dbeta(), 0, all, features, features);
            for (int k = 0; k < floats.length; k++) {
                for (int i = 0; i < features; i++) {
                    all[(k + 2) * features + i] = floats[k][i];
                }
            }
            return all;
        }
    }
}

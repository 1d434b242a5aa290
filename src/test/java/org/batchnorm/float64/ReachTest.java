package org.batchnorm.float64;

import org.batchnorm.BatchNorm;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.spi.Activations;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Values that are farther from a given mean than float64 reaches, where the result is not. */
class ReachTest {
    @ParameterizedTest
    @ValueSource(strings = {"scalar", "vector"})
    void inferenceReachesAsFarAsItsResult(String backend) {
        double most = Double.MAX_VALUE;
        BatchShape shape = BatchShape.of(4, 2);
        Inputs in = new Inputs(
                shape,
                new double[] {1.7e308, -most, 1e308, 1e300, 0, -3e299, -1.7e308, most},
                new double[8],
                null,
                null,
                null,
                new double[] {-1.7e308, 1e300},
                new double[] {1e280, 1e280},
                1e-5,
                Activations.NONE);
        Outputs out = new Outputs();
        out.y = new double[8];
        try (BatchNorm layer = BatchNorm.builder(2)
                .elementType(ElementType.FLOAT64)
                .backend(backend)
                .build()) {
            for (int c = 0; c < 2; c++) {
                layer.doubleRunningMean()[c] = in.mean()[c];
                layer.doubleRunningVar()[c] = in.variance()[c];
            }
            layer.eval();
            layer.forward(Batch.of(in.x(), shape), Batch.of(out.y, shape));
        }
        out.isWithinBar(in);
    }
}

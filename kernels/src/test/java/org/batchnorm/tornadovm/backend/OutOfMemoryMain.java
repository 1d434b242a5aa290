package org.batchnorm.tornadovm.backend;

import java.util.Arrays;
import java.util.Optional;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.BackendOptions;
import org.batchnorm.spi.BackendUnavailableException;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;

/** A batch in place that is too large for the device, then one that fits. */
final class OutOfMemoryMain {
    private OutOfMemoryMain() {}

    public static void main(String[] arguments) {
        try (BatchNormOperations operations = new TornadoBackend().open(new BackendOptions(1, Optional.empty()))) {
            float[] x = new float[1 << 20];
            Arrays.fill(x, 7);
            try {
                forwardInPlace(operations, x, BatchShape.of(1 << 10, 1 << 10));
                System.out.println("it fitted");
            } catch (BackendUnavailableException e) {
                System.out.println("refused: " + e.getMessage());
            }
            boolean unharmed = true;
            for (float value : x) {
                unharmed &= value == 7;
            }
            System.out.println("unharmed: " + unharmed);
            float[] small = new float[64];
            forwardInPlace(operations, small, BatchShape.of(32, 2));
            System.out.println("a smaller one fits");
        }
    }

    private static void forwardInPlace(BatchNormOperations operations, float[] x, BatchShape shape) {
        Batch batch = Batch.of(x, shape);
        operations.forward(
                new Tensors().forward(batch, batch),
                new Normalization(null, null, 1e-5, new BatchStatistics(shape.c()), true));
    }
}

package org.batchnorm.tornadovm.backend;

import java.util.Arrays;
import java.util.Random;
import org.batchnorm.BatchNorm;
import org.batchnorm.data.BatchShape;

/** Trains a layer whose backend is the library's choice, beside one on the CPU. */
final class AutomaticMain {
    private static final BatchShape SHAPE = BatchShape.of(16, 3);

    private AutomaticMain() {}

    public static void main(String[] arguments) {
        try (BatchNorm automatic = BatchNorm.builder(SHAPE.c()).backend("auto").build();
                BatchNorm cpu = BatchNorm.builder(SHAPE.c()).backend("vector").build()) {
            System.out.println("chosen: " + automatic.backendName());
            for (int step = 0; step < 3; step++) {
                System.out.println("like the CPU's: " + Arrays.equals(train(automatic, step), train(cpu, step)));
            }
        }
    }

    private static float[] train(BatchNorm layer, int seed) {
        Random random = new Random(seed);
        int values = Math.toIntExact(SHAPE.elements());
        float[] x = new float[values];
        float[] dy = new float[values];
        for (int i = 0; i < values; i++) {
            x[i] = (float) random.nextGaussian();
            dy[i] = (float) random.nextGaussian();
        }
        float[] results = new float[2 * values];
        float[] y = new float[values];
        layer.forward(x, y, SHAPE);
        System.arraycopy(y, 0, results, 0, values);
        layer.backward(x, dy, y, SHAPE);
        System.arraycopy(y, 0, results, values, values);
        return results;
    }
}

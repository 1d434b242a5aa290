package org.batchnorm.dl4j;

import java.util.Random;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.dataset.DataSet;
import org.nd4j.linalg.factory.Nd4j;

/** Seeded data. */
final class Samples {
    private Samples() {}

    /** Normally distributed values around 0.5, in C order. */
    static INDArray normal(long seed, long... shape) {
        Random random = new Random(seed);
        INDArray values = Nd4j.create(DataType.FLOAT, shape);
        for (long i = 0; i < values.length(); i++) {
            values.putScalar(i, (float) (0.5 + 1.5 * random.nextGaussian()));
        }
        return values;
    }

    static INDArray labels(long seed, int samples, int classes) {
        Random random = new Random(seed);
        INDArray labels = Nd4j.create(DataType.FLOAT, samples, classes);
        for (int i = 0; i < samples; i++) {
            labels.putScalar(i, random.nextInt(classes), 1);
        }
        return labels;
    }

    static DataSet batch(long seed, int classes, long... shape) {
        return new DataSet(normal(seed, shape), labels(seed + 1, (int) shape[0], classes));
    }

    /** The largest difference. */
    static double difference(INDArray a, INDArray b) {
        return a.castTo(DataType.DOUBLE)
                .sub(b.castTo(DataType.DOUBLE))
                .amaxNumber()
                .doubleValue();
    }
}

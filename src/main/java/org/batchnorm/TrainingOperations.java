package org.batchnorm;

import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;

/** Operations whose training forward takes statistics of other values than those of the batch as a whole. */
interface TrainingOperations extends BatchNormOperations {

    /** Forward with the statistics of the batch as a whole, as in inference; so will be its backward. */
    void forwardAlone(Tensors tensors, Normalization normalization);

    /** Refuses a batch if it would have statistics of one value, as far as its shape tells. */
    void requireNotOneValuePerFeature(BatchShape shape);
}

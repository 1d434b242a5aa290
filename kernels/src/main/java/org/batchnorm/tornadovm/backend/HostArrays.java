package org.batchnorm.tornadovm.backend;

import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/**
 * The arrays of a {@link HostPlan} that are not its layer's.
 *
 * @param x the first input
 * @param dy the second one; x where there is none
 * @param out y or dx
 * @param residual in: the residual, or y of the forward with one; out: dresidual; x where there is none
 * @param summary of moments or sums
 * @param moments of a batch whose gradients are reduced
 */
record HostArrays(
        FloatArray x, FloatArray dy, FloatArray out, FloatArray residual, DoubleArray summary, DoubleArray moments) {}

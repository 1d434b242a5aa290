package org.batchnorm.conformance;

import java.util.OptionalDouble;

/**
 * How near a backend came to one quantity of a case.
 *
 * @param quantity which
 * @param maxAbs the largest absolute error where a finite value is expected; infinite where NaN or infinity came
 *     instead, or the other way round
 * @param pytorchMaxAbs PyTorch's largest error in float32, where the case says it
 * @param bound the largest error that passes
 * @param pass whether {@code maxAbs ≤ bound}
 * @param message if it does not pass, where and by how much; else empty
 */
public record QuantityResult(
        Quantity quantity, double maxAbs, OptionalDouble pytorchMaxAbs, double bound, boolean pass, String message) {}

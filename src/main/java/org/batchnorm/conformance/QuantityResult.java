package org.batchnorm.conformance;

import java.util.OptionalDouble;

/**
 * The error of a backend in one quantity of a case.
 *
 * @param quantity which
 * @param maxAbs the largest absolute error; infinite if a NaN or an infinity is not expected there, or is missing
 * @param pytorchMaxAbs PyTorch's largest error in float32, if the case has it
 * @param bound the largest error that passes
 * @param pass whether {@code maxAbs ≤ bound}
 * @param message where and by how much it fails; empty if it passes
 */
public record QuantityResult(
        Quantity quantity, double maxAbs, OptionalDouble pytorchMaxAbs, double bound, boolean pass, String message) {}

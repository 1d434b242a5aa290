package org.batchnorm.conformance;

import java.util.List;
import java.util.stream.Collectors;

/**
 * The result of a backend on one case.
 *
 * @param caseName the case
 * @param backend the backend that computed
 * @param quantities one result for each quantity that the case expects, in the order of {@link Quantity}; empty if the
 *     layer threw
 * @param failure what the layer threw; empty if it did not
 */
public record CaseResult(String caseName, String backend, List<QuantityResult> quantities, String failure) {

    /** Takes a copy of the list. */
    public CaseResult {
        quantities = List.copyOf(quantities);
    }

    /** Whether the layer ran and every quantity is within its bound. */
    public boolean pass() {
        return failure.isEmpty() && quantities.stream().allMatch(QuantityResult::pass);
    }

    /** What is wrong, in words; empty if nothing is. */
    public String message() {
        return failure.isEmpty()
                ? quantities.stream()
                        .filter(result -> !result.pass())
                        .map(QuantityResult::message)
                        .collect(Collectors.joining("; "))
                : failure;
    }
}

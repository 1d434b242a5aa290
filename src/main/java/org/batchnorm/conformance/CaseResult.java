package org.batchnorm.conformance;

import java.util.List;
import java.util.stream.Collectors;

/**
 * The result of a backend on one case: it passes, it fails, or the backend does not take its element type.
 *
 * @param caseName the case
 * @param backend the backend that computed
 * @param quantities one result for each quantity that the case expects, in the order of {@link Quantity}; empty if the
 *     layer threw
 * @param failure what the layer threw, the reason of a refusal included; empty if it did not
 * @param refused whether what it threw says that the backend does not take the case's element type
 */
public record CaseResult(
        String caseName, String backend, List<QuantityResult> quantities, String failure, boolean refused) {

    /** Takes a copy of the list. */
    public CaseResult {
        quantities = List.copyOf(quantities);
    }

    /** That of a case whose element type, if nothing else, the backend takes. */
    public CaseResult(String caseName, String backend, List<QuantityResult> quantities, String failure) {
        this(caseName, backend, quantities, failure, false);
    }

    /** Whether the layer ran and every quantity is within its bound. */
    public boolean pass() {
        return failure.isEmpty() && quantities.stream().allMatch(QuantityResult::pass);
    }

    /** Whether the backend took the case, and did not pass. */
    public boolean failed() {
        return !pass() && !refused;
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

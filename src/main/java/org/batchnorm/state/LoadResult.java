package org.batchnorm.state;

import java.util.Collections;
import java.util.Set;
import java.util.TreeSet;

/**
 * What did not match when a state was taken over, as PyTorch's {@code missing_keys} and {@code unexpected_keys}; whole
 * names, prefix included, in alphabetical order. After a strict load both are empty.
 *
 * @param missing the layer's tensors that the state does not have; they are in the layer what they were
 * @param unexpected the tensors under the prefix that the layer does not have
 */
public record LoadResult(Set<String> missing, Set<String> unexpected) {

    /** Copies the names. */
    public LoadResult {
        missing = Collections.unmodifiableSet(new TreeSet<>(missing));
        unexpected = Collections.unmodifiableSet(new TreeSet<>(unexpected));
    }

    /** Whether the state had exactly the layer's tensors. */
    public boolean isExact() {
        return missing.isEmpty() && unexpected.isEmpty();
    }
}

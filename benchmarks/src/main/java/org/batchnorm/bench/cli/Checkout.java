package org.batchnorm.bench.cli;

import java.net.URISyntaxException;
import java.nio.file.Path;

/** Where the running code was built. */
final class Checkout {
    private Checkout() {}

    /**
     * The folder {@code benchmarks} of the checkout: the jar or the classes lie in its {@code target}. In a packaged
     * copy: the copy's root.
     */
    static Path benchmarks() {
        try {
            Path code = Path.of(Checkout.class
                    .getProtectionDomain()
                    .getCodeSource()
                    .getLocation()
                    .toURI());
            Path built = code.getParent();
            Path benchmarks = built == null ? null : built.getParent();
            return benchmarks == null ? Path.of("") : benchmarks;
        } catch (URISyntaxException e) {
            throw new IllegalStateException("the place of this program's code is no path: " + e.getMessage(), e);
        }
    }
}

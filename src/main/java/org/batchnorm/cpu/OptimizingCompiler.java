package org.batchnorm.cpu;

import com.sun.management.HotSpotDiagnosticMXBean;
import java.lang.management.ManagementFactory;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The JVM's optimizing compiler, which alone turns the Vector API into vector instructions. Options that are meant to
 * shorten the start leave it out; some development environments set them unasked.
 */
final class OptimizingCompiler {
    private static final String HIGHEST_LEVEL = "4";

    private OptimizingCompiler() {}

    /** Why it will not compile what runs often; empty if it will, as far as can be told. */
    static Optional<String> whyUnused() {
        String mode = System.getProperty("java.vm.info", "");
        if (mode.contains("interpreted")) {
            return Optional.of("this JVM only interprets (-Xint)");
        }
        if (ModuleLayer.boot().findModule("jdk.management").isPresent()) {
            Optional<String> reason = HotSpot.whyUnused();
            if (reason.isPresent()) {
                return reason;
            }
        }
        return mode.contains("emulated-client")
                ? Optional.of("this JVM compiles quickly only (-XX:TieredStopAtLevel=1 or the like)")
                : Optional.empty();
    }

    /** What the options of OpenJDK's JVM say. Loading this class needs the module jdk.management. */
    private static final class HotSpot {
        static Optional<String> whyUnused() {
            @Nullable
            HotSpotDiagnosticMXBean options = ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class);
            if (options == null) {
                return Optional.empty();
            }
            if (value(options, "TieredStopAtLevel")
                    .filter(level -> !level.equals(HIGHEST_LEVEL))
                    .isPresent()) {
                return Optional.of("this JVM compiles up to level "
                        + value(options, "TieredStopAtLevel").orElse("") + " of " + HIGHEST_LEVEL
                        + " only (-XX:TieredStopAtLevel)");
            }
            if (is(options, "CompilationMode", "quick-only")) {
                return Optional.of("this JVM compiles quickly only (-XX:CompilationMode=quick-only)");
            }
            if (is(options, "UseCompiler", "false")) {
                return Optional.of("this JVM compiles nothing (-XX:-UseCompiler, or its code cache was full)");
            }
            return is(options, "EnableVectorSupport", "false")
                    ? Optional.of("this JVM's compiler does not know vectors (-XX:-EnableVectorSupport)")
                    : Optional.empty();
        }

        private static boolean is(HotSpotDiagnosticMXBean options, String name, String expected) {
            return value(options, name).filter(expected::equals).isPresent();
        }

        /** The value of an option; empty where the JVM has none of that name, or does not show it. */
        private static Optional<String> value(HotSpotDiagnosticMXBean options, String name) {
            try {
                return Optional.of(options.getVMOption(name).getValue());
            } catch (IllegalArgumentException e) {
                return Optional.empty();
            }
        }
    }
}

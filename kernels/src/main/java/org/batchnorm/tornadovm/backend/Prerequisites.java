package org.batchnorm.tornadovm.backend;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.batchnorm.spi.Availability;
import org.batchnorm.tornadovm.TornadoSettings;

/**
 * What must be in place before a class of TornadoVM is touched: an SDK, its modules in this JVM, the JDK that it was
 * built for, and no silent running of kernels as Java.
 *
 * @param home the environment variable TORNADOVM_HOME
 * @param argfileReadable whether there is a {@code tornado-argfile} in it
 * @param runtimeVersion the version of the module {@code tornado.runtime}, if this JVM has it; empty text if the module
 *     has no version
 * @param javaVersion the feature number of this JVM
 * @param bailout the system property {@value TornadoSettings#BAILOUT_PROPERTY}
 */
record Prerequisites(
        Optional<String> home,
        boolean argfileReadable,
        Optional<String> runtimeVersion,
        int javaVersion,
        Optional<String> bailout) {

    private static final String HOW_TO_START =
            "start Java as scripts/batchnorm does: java @$TORNADOVM_HOME/tornado-argfile -D"
                    + TornadoSettings.BAILOUT_PROPERTY + "=False ...";

    private static final String HOW_TO_INSTALL =
            "install a TornadoVM SDK, for example with SDKMAN! (sdk install tornadovm 5.2.0-jdk25-opencl), which sets TORNADOVM_HOME";

    private static final Pattern BUILT_FOR = Pattern.compile(".*-jdk(\\d+).*");

    /** As they are in this process. */
    static Prerequisites ofThisProcess() {
        Optional<String> home =
                Optional.ofNullable(System.getenv("TORNADOVM_HOME")).filter(value -> !value.isBlank());
        return new Prerequisites(
                home,
                home.filter(value -> Files.isReadable(Path.of(value, "tornado-argfile")))
                        .isPresent(),
                ModuleLayer.boot()
                        .findModule("tornado.runtime")
                        .map(module -> module.getDescriptor().rawVersion().orElse("")),
                Runtime.version().feature(),
                Optional.ofNullable(System.getProperty(TornadoSettings.BAILOUT_PROPERTY)));
    }

    /** Whether all is in place, or what is missing. */
    Availability check() {
        if (runtimeVersion.isEmpty()) {
            return runtimeMissing();
        }
        Matcher builtFor = BUILT_FOR.matcher(runtimeVersion.get());
        if (builtFor.matches() && Integer.parseInt(builtFor.group(1)) != javaVersion) {
            return Availability.unusable(
                    "TornadoVM " + runtimeVersion.get() + " is built for JDK " + builtFor.group(1)
                            + ", and this is JDK " + javaVersion,
                    "run with JDK " + builtFor.group(1) + ", or install the SDK for JDK " + javaVersion);
        }
        if (bailout.isPresent() && Boolean.parseBoolean(bailout.get())) {
            return bailoutOn();
        }
        return Availability.usable("TornadoVM " + runtimeVersion.get());
    }

    private Availability runtimeMissing() {
        if (home.isEmpty()) {
            return Availability.unusable(
                    "TornadoVM is not in this JVM, and TORNADOVM_HOME is not set",
                    HOW_TO_INSTALL + ", and " + HOW_TO_START);
        }
        if (!argfileReadable) {
            return Availability.unusable(
                    "TORNADOVM_HOME is " + home.get() + ", where there is no tornado-argfile",
                    "let it name a TornadoVM SDK, or " + HOW_TO_INSTALL);
        }
        return Availability.unusable("Java was started without TornadoVM's modules", HOW_TO_START);
    }

    /** The answer where TornadoVM would run kernels that do not compile as Java, which gives wrong numbers. */
    static Availability bailoutOn() {
        return Availability.unusable(
                "TornadoVM would silently run a kernel that it cannot compile as sequential Java",
                "start Java with -D" + TornadoSettings.BAILOUT_PROPERTY + "=False");
    }
}

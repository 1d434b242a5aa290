package org.batchnorm;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/** {@code mpirun}, for the tests of several processes. */
public final class Mpirun {
    private Mpirun() {}

    /** Skips the tests, and says so where a build's log has it, if there is none on the PATH. */
    public static void require() {
        boolean found = Arrays.stream(System.getenv("PATH").split(":"))
                .anyMatch(path -> Files.isExecutable(Path.of(path, "mpirun")));
        if (!found) {
            System.err.println("*** NOT RUN UNDER MPI: there is no mpirun (apt install openmpi-bin)");
        }
        assumeTrue(found, "there is no mpirun (apt install openmpi-bin)");
    }

    /**
     * How ranks of this JVM's class path are started, more of them than there are cores if need be; what they run
     * follows.
     */
    public static List<String> command(int ranks) {
        return List.of(
                "mpirun",
                "--oversubscribe",
                "--allow-run-as-root",
                "-n",
                Integer.toString(ranks),
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "--add-modules=jdk.incubator.vector",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"));
    }
}

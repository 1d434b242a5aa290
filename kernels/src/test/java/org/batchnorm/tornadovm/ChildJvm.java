package org.batchnorm.tornadovm;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;

/** Runs a test's main class in a JVM of its own, for what can only be set when a JVM starts. */
public final class ChildJvm {
    public static final String SDK = System.getenv("TORNADOVM_HOME");
    public static final String ARGFILE = "@" + SDK + "/tornado-argfile";
    public static final String NO_BAILOUT = "-Dtornado.recover.bailout=False";

    private ChildJvm() {}

    /** Whether the SDK has a backend: opencl, ptx, cuda. */
    public static boolean sdkHas(String backend) throws IOException {
        return Files.readString(Path.of(SDK, "tornado-argfile")).contains("tornado.drivers." + backend);
    }

    /**
     * The environment of a machine without the SDK's drivers: no vendor of OpenCL, and a libcuda that is none.
     *
     * @param folder for the latter
     */
    public static Map<String, String> withoutDrivers(Path folder) throws IOException {
        Files.write(folder.resolve("libcuda.so.1"), new byte[0]);
        return Map.of("OCL_ICD_VENDORS", "/nonexistent", "OCL_ICD_FILENAMES", "", "LD_LIBRARY_PATH", folder.toString());
    }

    /**
     * What it printed, to either stream.
     *
     * @param environment what to set; a variable with empty text is removed
     * @throws AssertionError if it fails or takes longer than five minutes
     */
    public static String run(Map<String, String> environment, List<String> options, Class<?> main) throws Exception {
        return run(environment, command(options, main), 0);
    }

    /** The command that starts a main class in a JVM like this one; may be changed. */
    static List<String> command(List<String> options, Class<?> main, String... arguments) {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(options);
        command.addAll(List.of("-cp", System.getProperty("java.class.path"), main.getName()));
        command.addAll(List.of(arguments));
        return command;
    }

    /**
     * The same of a command of its own.
     *
     * @param status the exit status that is right
     */
    static String run(Map<String, String> environment, List<String> command, int status) throws Exception {
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        environment.forEach((name, value) -> {
            if (value.isEmpty()) {
                builder.environment().remove(name);
            } else {
                builder.environment().put(name, value);
            }
        });
        Process process = builder.start();
        try {
            String output = read(process);
            if (process.waitFor() != status) {
                throw new AssertionError(command + " ended with " + process.exitValue() + ":\n" + output);
            }
            return output;
        } finally {
            process.destroyForcibly();
        }
    }

    private static String read(Process process) throws IOException {
        Thread watchdog = Thread.ofPlatform().daemon().start(() -> {
            try {
                if (!process.waitFor(5, TimeUnit.MINUTES)) {
                    process.destroyForcibly();
                }
            } catch (InterruptedException e) {
                // The output has ended.
            }
        });
        try {
            return new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        } finally {
            watchdog.interrupt();
        }
    }
}

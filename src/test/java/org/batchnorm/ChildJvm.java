package org.batchnorm;

import java.io.File;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.TimeUnit;

/** Runs a main class of the tests in a JVM of its own, with options that only a start can set. */
public final class ChildJvm {
    private ChildJvm() {}

    /**
     * What it printed, to either stream.
     *
     * @throws AssertionError if it fails or takes longer than {@code seconds}, with all that it printed
     */
    public static String run(List<String> options, Class<?> main, List<String> arguments, int seconds)
            throws IOException, InterruptedException {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.addAll(List.of("--add-modules=jdk.incubator.vector", "--enable-native-access=ALL-UNNAMED"));
        command.addAll(options);
        command.addAll(List.of("-cp", classPath(main), main.getName()));
        command.addAll(arguments);
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        Thread watchdog = Thread.ofPlatform().daemon().start(() -> endAfter(process, seconds));
        try {
            String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            int exit = process.waitFor();
            if (exit != 0) {
                throw new AssertionError(String.join(" ", command) + "\nended with " + exit + " (it has " + seconds
                        + " seconds) and printed:\n" + output);
            }
            return output;
        } finally {
            process.destroyForcibly();
            watchdog.interrupt();
        }
    }

    private static void endAfter(Process process, int seconds) {
        try {
            if (!process.waitFor(seconds, TimeUnit.SECONDS)) {
                process.destroyForcibly();
            }
        } catch (InterruptedException e) {
            // The process has ended.
        }
    }

    /** That of this JVM. Where the library is on the module path, the class path alone does not have it. */
    private static String classPath(Class<?> main) {
        Set<String> entries = new LinkedHashSet<>();
        entries.add(whereIs(main));
        entries.add(whereIs(BatchNorm.class));
        entries.add(System.getProperty("java.class.path"));
        String modules = System.getProperty("jdk.module.path");
        if (modules != null) {
            entries.add(modules);
        }
        return String.join(File.pathSeparator, entries);
    }

    private static String whereIs(Class<?> type) {
        try {
            return Path.of(type.getProtectionDomain()
                            .getCodeSource()
                            .getLocation()
                            .toURI())
                    .toString();
        } catch (URISyntaxException e) {
            throw new IllegalStateException(e);
        }
    }
}

package org.batchnorm.bench.jmh;

import java.io.IOException;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What a benchmark tells besides its times. JMH brings nothing but numbers back from the JVM that it forks, so words go
 * through a file.
 */
public final class ForkNotes {

    /** What ran: the form of a loop, an implementation's name. */
    public static final String DETAIL = "detail";

    /** A library's version. */
    public static final String VERSION = "version";

    /** How many threads it kept busy while it was measured: processor time by wall time. */
    public static final String BUSY_THREADS = "busyThreads";

    private static final String PROPERTY = "org.batchnorm.bench.notes";
    private static final String LOG = "org.batchnorm.bench.log";
    private static final String SEPARATOR = "\t";

    private ForkNotes() {}

    /**
     * The JVM's options.
     *
     * @param notes where a benchmark writes its words to
     * @param log where {@link #printToLog} prints to
     */
    static List<String> jvmOptions(Path notes, Path log) {
        return List.of("-D" + PROPERTY + "=" + notes, "-D" + LOG + "=" + log);
    }

    /**
     * Lets this process print to the log from now on. JMH brings what a benchmark prints to the screen, where a
     * library's messages would stand between the lines of the command.
     */
    static void printToLog() {
        String log = System.getProperty(LOG);
        if (log == null) {
            return;
        }
        try {
            PrintStream out = new PrintStream(
                    Files.newOutputStream(Path.of(log), StandardOpenOption.CREATE, StandardOpenOption.APPEND),
                    true,
                    StandardCharsets.UTF_8);
            System.setOut(out);
            System.setErr(out);
        } catch (IOException e) {
            throw new UncheckedIOException("log file " + log + " cannot be written: " + e, e);
        }
    }

    /** Tells; of a name told several times, the last counts. Nothing where nobody listens. */
    static void say(String name, String words) {
        String file = System.getProperty(PROPERTY);
        if (file == null) {
            return;
        }
        try {
            String line = name + SEPARATOR + words.replaceAll("\\s+", " ").strip() + "\n";
            Files.writeString(Path.of(file), line, StandardOpenOption.APPEND);
        } catch (IOException e) {
            throw new UncheckedIOException("notes of a benchmark cannot be written to " + file + ": " + e, e);
        }
    }

    /** What was told, by name. */
    static Map<String, String> read(Path file) throws IOException {
        Map<String, String> notes = new HashMap<>();
        for (String line : Files.readAllLines(file)) {
            int end = line.indexOf(SEPARATOR);
            notes.put(line.substring(0, end), line.substring(end + 1));
        }
        return notes;
    }
}

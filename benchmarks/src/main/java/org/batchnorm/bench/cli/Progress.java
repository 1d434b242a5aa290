package org.batchnorm.bench.cli;

import java.io.Console;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.util.Locale;
import me.tongfei.progressbar.ConsoleProgressBarConsumer;
import me.tongfei.progressbar.ProgressBar;
import me.tongfei.progressbar.ProgressBarBuilder;
import me.tongfei.progressbar.ProgressBarStyle;

/**
 * Shows how far a long task has come: on a terminal as a bar with the latest message, elsewhere as a plain line for
 * every twentieth of the way. Both tell the time left.
 */
public abstract class Progress implements AutoCloseable {
    private static final int PLAIN_LINES = 20;

    private Progress() {}

    /**
     * Starts to show a task.
     *
     * @param out where plain lines go; a bar goes to the terminal
     * @param task its name, which stands before the plain lines
     * @param steps how many steps it has
     */
    @SuppressWarnings("SystemConsoleNull") // JDK 25 went back to a console that is null where there is no terminal.
    public static Progress start(PrintWriter out, String task, long steps) {
        Console console = System.console();
        return console != null && console.isTerminal() ? new Bar(steps) : new Lines(out, task, steps);
    }

    /**
     * The task has come further.
     *
     * @param step how many steps are done
     * @param message how things stand
     */
    public abstract void stepTo(long step, String message);

    /** Ends the showing. */
    @Override
    public abstract void close();

    private static final class Bar extends Progress {
        private static final int UPDATE_MILLIS = 100;
        private final ProgressBar bar;

        Bar(long steps) {
            bar = new ProgressBarBuilder()
                    .setTaskName("")
                    .setInitialMax(steps)
                    .setUpdateIntervalMillis(UPDATE_MILLIS)
                    .setStyle(ProgressBarStyle.COLORFUL_UNICODE_BAR)
                    .setConsumer(new NarrowerConsumer(System.out))
                    .build();
        }

        @Override
        public void stepTo(long step, String message) {
            bar.stepTo(step).setExtraMessage(" " + message);
        }

        @Override
        public void close() {
            bar.close();
        }
    }

    /** A line as long as the terminal is wide would wrap, and the next one not replace it. */
    private static final class NarrowerConsumer extends ConsoleProgressBarConsumer {
        NarrowerConsumer(PrintStream out) {
            super(out);
        }

        @Override
        public int getMaxRenderedLength() {
            return super.getMaxRenderedLength() - 1;
        }
    }

    private static final class Lines extends Progress {
        private final PrintWriter out;
        private final String task;
        private final long steps;
        private final long start = System.nanoTime();
        private long shown;

        Lines(PrintWriter out, String task, long steps) {
            this.out = out;
            this.task = task;
            this.steps = steps;
        }

        @Override
        public void stepTo(long step, String message) {
            long reached = step * PLAIN_LINES / steps;
            if (reached > shown) {
                shown = reached;
                out.println(task + " " + step + "/" + steps + ": " + message + timeLeft(step));
                out.flush();
            }
        }

        /** As long as the rest takes at the speed so far; nothing at the end. */
        private String timeLeft(long step) {
            double seconds = (System.nanoTime() - start) / 1e9 / step * (steps - step);
            if (step >= steps) {
                return "";
            }
            return seconds < 100
                    ? String.format(Locale.ROOT, " (%.0f s left)", seconds)
                    : String.format(Locale.ROOT, " (%.0f min left)", seconds / 60);
        }

        @Override
        public void close() {}
    }
}

package org.batchnorm.bench.experiments.papers;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Runs what is missing of an experiment and keeps it: after each run {@code results.csv} (and {@code times.csv}, if
 * times were taken), after each seed the page and the picture. What an earlier, stopped run left in the directory is
 * taken over.
 */
public final class ExperimentRun {
    private static final String RESULTS = "results.csv";
    private static final String TIMES = "times.csv";

    private final Experiment experiment;
    private final Setting setting;
    private final Path directory;
    private final String origin;
    private final Table results;
    private final Table times;

    /**
     * Takes over what is in the directory.
     *
     * @throws IOException if it cannot be read, or belongs to another experiment, data set or scale
     */
    public ExperimentRun(Experiment experiment, Setting setting, Path directory) throws IOException {
        this.experiment = experiment;
        this.setting = setting;
        this.directory = directory;
        this.origin = experiment.name() + " on " + setting.data().name() + ", " + setting.scale() + " scale";
        this.results = Table.read(directory.resolve(RESULTS), origin);
        this.times = Table.read(directory.resolve(TIMES), origin);
    }

    /** How many runs the experiment has. */
    public int runs() {
        return experiment.variants(setting).size() * setting.seeds();
    }

    /** How many runs are still to be done. */
    public int missing() {
        return missingRuns().size();
    }

    /** The work of the missing runs, in the unit of {@link Listener#worked}. */
    public long work() {
        return missingRuns().stream().mapToLong(Run::work).sum();
    }

    /** The numbers so far. */
    Table results() {
        return results;
    }

    /**
     * Does the missing runs, all variants of a seed before the next seed.
     *
     * @param listener told of the work done
     */
    public void run(Listener listener) throws IOException {
        Files.createDirectories(directory);
        long before = 0;
        List<Run> missing = missingRuns();
        for (int i = 0; i < missing.size(); i++) {
            Run run = missing.get(i);
            long done = before;
            String what = run.variant + ", seed " + run.seed;
            Trial trial = new Trial(setting, run.variant, run.seed, worked -> listener.worked(done + worked, what));
            experiment.run(trial);
            keep(trial, what);
            before += run.work;
            if (i + 1 == missing.size() || missing.get(i + 1).seed != run.seed) {
                writePage();
            }
        }
        if (missing.isEmpty()) {
            writePage();
        }
    }

    private void keep(Trial trial, String what) throws IOException {
        if (trial.rows().isEmpty()) {
            throw new IllegalStateException(experiment.name() + ": " + what + " recorded nothing");
        }
        times.add(trial.times());
        if (!times.isEmpty()) {
            times.write(directory.resolve(TIMES));
        }
        results.add(trial.rows());
        results.write(directory.resolve(RESULTS));
    }

    private void writePage() throws IOException {
        page().write(directory);
    }

    /** The page of the numbers so far. */
    Page page() {
        Page page =
                new Page(experiment.name(), experiment.question(), origin + ", seeds 0 to " + (results.seeds() - 1));
        experiment.describe(setting, results, page);
        return page;
    }

    private List<Run> missingRuns() {
        List<Run> missing = new ArrayList<>();
        for (long seed = 0; seed < setting.seeds(); seed++) {
            for (String variant : experiment.variants(setting)) {
                if (!results.has(variant, seed)) {
                    missing.add(new Run(variant, seed, experiment.work(setting, variant)));
                }
            }
        }
        return missing;
    }

    private record Run(String variant, long seed, long work) {}

    /** Told of the progress. */
    public interface Listener {

        /**
         * More is done.
         *
         * @param work how much of {@link ExperimentRun#work}
         * @param what is being run
         */
        void worked(long work, String what);
    }
}

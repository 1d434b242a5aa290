package org.batchnorm.bench.experiments.papers;

import java.util.List;

/** All experiments. */
public final class Experiments {
    private static final List<Experiment> ALL = List.of(
            new Convergence(),
            new InsideTheGradient(),
            new LearningRate(),
            new InferenceStatistics(),
            new BatchSize(),
            new Nonlinearity(),
            new Shift(),
            new Landscape(),
            new Regularization(),
            new BeforeOrAfter());

    private Experiments() {}

    /** All of them, in the order in which they are best read. */
    public static List<Experiment> all() {
        return ALL;
    }

    /** The names, in that order. */
    public static List<String> names() {
        return ALL.stream().map(Experiment::name).toList();
    }

    /** The names of those that also train wholly on a device. */
    public static List<String> namesOnDevice() {
        return ALL.stream()
                .filter(Experiment::trainsOnDevice)
                .map(Experiment::name)
                .toList();
    }

    /**
     * The experiment of a name.
     *
     * @throws IllegalArgumentException if there is none
     */
    public static Experiment named(String name) {
        return ALL.stream()
                .filter(experiment -> experiment.name().equals(name))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException(
                        "NAME: \"" + name + "\" given, must be one of " + String.join(", ", names())));
    }
}

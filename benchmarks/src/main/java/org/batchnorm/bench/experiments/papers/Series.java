package org.batchnorm.bench.experiments.papers;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** One quantity of one variant over x: a value a seed. */
final class Series {
    private final SortedMap<Double, List<Double>> values = new TreeMap<>();

    Series(Stream<Table.Row> rows) {
        rows.forEach(
                row -> values.computeIfAbsent(row.x(), x -> new ArrayList<>()).add(row.value()));
    }

    /** Where there are values, ascending. */
    SortedSet<Double> xs() {
        return new TreeSet<>(values.keySet());
    }

    boolean isEmpty() {
        return values.isEmpty();
    }

    /** The values of the seeds at x, in their order. */
    List<Double> at(double x) {
        List<Double> found = values.get(Table.rounded(x));
        if (found == null) {
            throw new IllegalArgumentException("x: " + x + " given, must be one of " + values.keySet());
        }
        return found;
    }

    double mean(double x) {
        return at(x).stream().mapToDouble(Double::doubleValue).average().orElseThrow();
    }

    double min(double x) {
        return Collections.min(at(x));
    }

    double max(double x) {
        return Collections.max(at(x));
    }

    /** One seed alone: what a band would hide. */
    Series seed(int index) {
        return new Series(values.entrySet().stream()
                .map(entry -> new Table.Row(
                        "", "", entry.getKey(), index, entry.getValue().get(index))));
    }

    /** Whether each seed's value at x is smaller than the same seed's in another series. */
    boolean isBelow(Series other, double x) {
        return isBelow(other, x, 0);
    }

    /** Whether it is so by more than a margin. */
    boolean isBelow(Series other, double x, double margin) {
        List<Double> theirs = other.at(x);
        return IntStream.range(0, theirs.size()).allMatch(seed -> at(x).get(seed) + margin < theirs.get(seed));
    }

    /** All values times a factor. */
    Series times(double factor) {
        return new Series(values.entrySet().stream()
                .flatMap(entry -> entry.getValue().stream()
                        .map(value -> new Table.Row("", "", entry.getKey(), 0, factor * value))));
    }

    /** The values at x, at 0: to be compared with those at another x. */
    Series valuesAt(double x) {
        return new Series(at(x).stream().map(value -> new Table.Row("", "", 0, 0, value)));
    }

    /** The mean over all x from the given one on, a value a seed, at 0. */
    Series meanFrom(double from) {
        return mean(values.tailMap(from));
    }

    /** The mean over all x before the given one, a value a seed, at 0. */
    Series meanBefore(double end) {
        return mean(values.headMap(end));
    }

    private static Series mean(SortedMap<Double, List<Double>> some) {
        List<List<Double>> taken = List.copyOf(some.values());
        return new Series(IntStream.range(0, taken.getFirst().size())
                .mapToObj(seed -> new Table.Row(
                        "",
                        "",
                        0,
                        seed,
                        taken.stream()
                                .mapToDouble(all -> all.get(seed))
                                .average()
                                .orElseThrow())));
    }

    /** The farthest that a mean is from another series' mean at the same x; both need a value at each x here. */
    double farthestMean(Series other) {
        return values.keySet().stream()
                .mapToDouble(x -> Math.abs(mean(x) - other.mean(x)))
                .max()
                .orElseThrow();
    }

    /** The largest x. */
    double last() {
        return values.lastKey();
    }
}

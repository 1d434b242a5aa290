package org.batchnorm.bench.jmh.results;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.batchnorm.bench.jmh.results.Measurement.Point;

/**
 * What became slower or faster from one file of results to another, beyond noise: by more than the tolerance, and with
 * quartile ranges that do not touch.
 *
 * <p>What this project does not change (the baselines, the peers) says how much the machine itself changed. Its median
 * factor is taken out of ours.
 *
 * @param drift the median factor of what is not ours, new by old; 1 where there is nothing to tell
 * @param compared how many of our points are in both
 * @param missing our points that are in the old file only
 * @param slower our points that became slower, the worst first
 * @param faster our points that became faster, the best first
 * @param machines the machines of both files; more than one makes the comparison doubtful
 */
public record Comparison(
        double drift,
        int compared,
        List<Point> missing,
        List<Change> slower,
        List<Change> faster,
        Set<String> machines) {

    /** Copies the collections. */
    public Comparison {
        missing = List.copyOf(missing);
        slower = List.copyOf(slower);
        faster = List.copyOf(faster);
        machines = Set.copyOf(machines);
    }

    /**
     * One point in both files.
     *
     * @param point what
     * @param before the older row
     * @param after the newer row
     * @param factor the newer time by the older one, the machine's drift taken out
     */
    public record Change(Point point, Measurement before, Measurement after, double factor) {}

    /**
     * Compares.
     *
     * @param before rows of which each point's newest counts
     * @param after rows of which each point's newest counts
     * @param tolerance by how much a time may change: 0.05 is 5 %
     */
    public static Comparison of(Collection<Measurement> before, Collection<Measurement> after, double tolerance) {
        if (!(tolerance >= 0) || Double.isInfinite(tolerance)) {
            throw new IllegalArgumentException(
                    "tolerance: " + tolerance + " given, must be a finite number of at least 0");
        }
        Map<Point, Measurement> older = newest(before);
        Map<Point, Measurement> newer = newest(after);
        double drift = drift(older, newer);
        List<Point> missing = new ArrayList<>();
        List<Change> slower = new ArrayList<>();
        List<Change> faster = new ArrayList<>();
        int compared = 0;
        for (Measurement was : older.values()) {
            Point point = was.point();
            Measurement is = newer.get(point);
            if (!ours(point)) {
                continue;
            }
            if (is == null) {
                missing.add(point);
                continue;
            }
            compared++;
            Change change = new Change(point, was, is, factor(was, is) / drift);
            if (change.factor() > 1 + tolerance
                    && is.result().lowerQuartile() / drift > was.result().upperQuartile()) {
                slower.add(change);
            } else if (change.factor() < 1 / (1 + tolerance)
                    && is.result().upperQuartile() / drift < was.result().lowerQuartile()) {
                faster.add(change);
            }
        }
        slower.sort(Comparator.comparingDouble(Change::factor).reversed());
        faster.sort(Comparator.comparingDouble(Change::factor));
        Set<String> machines = new TreeSet<>();
        older.values()
                .forEach(row ->
                        machines.add(row.run().machine() + ", " + row.run().cores() + " cores"));
        newer.values()
                .forEach(row ->
                        machines.add(row.run().machine() + ", " + row.run().cores() + " cores"));
        return new Comparison(drift, compared, missing, slower, faster, machines);
    }

    /** Each point's newest row, in the order of the points' first appearance. */
    public static Map<Point, Measurement> newest(Collection<Measurement> rows) {
        Map<Point, Measurement> newest = new LinkedHashMap<>();
        for (Measurement row : rows) {
            newest.merge(
                    row.point(),
                    row,
                    (one, other) -> other.run().date().compareTo(one.run().date()) >= 0 ? other : one);
        }
        return newest;
    }

    private static double drift(Map<Point, Measurement> older, Map<Point, Measurement> newer) {
        double[] factors = older.values().stream()
                .filter(was -> !ours(was.point()) && newer.containsKey(was.point()))
                .mapToDouble(was -> factor(was, newer.getOrDefault(was.point(), was)))
                .sorted()
                .toArray();
        return factors.length == 0
                ? 1
                : Arrays.stream(factors, (factors.length - 1) / 2, factors.length / 2 + 1)
                        .average()
                        .orElse(1);
    }

    private static double factor(Measurement was, Measurement is) {
        return is.result().milliseconds() / was.result().milliseconds();
    }

    private static boolean ours(Point point) {
        return point.library().equals(Libraries.OURS);
    }
}

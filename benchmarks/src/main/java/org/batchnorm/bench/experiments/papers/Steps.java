package org.batchnorm.bench.experiments.papers;

import java.util.List;
import java.util.SortedSet;
import java.util.TreeSet;

/** At which steps to look at a network. */
final class Steps {
    private Steps() {}

    /** From {@code first} to {@code last}, about ten a decade, on round numbers, and {@code last}. */
    static SortedSet<Integer> byDecade(int first, int last) {
        return byDecade(first, last, List.of(10, 13, 16, 20, 25, 32, 40, 50, 65, 80));
    }

    /** From {@code first} to {@code last}, three a decade: 1, 2 and 5 of each, and {@code last}. */
    static SortedSet<Integer> few(int first, int last) {
        return byDecade(first, last, List.of(10, 20, 50));
    }

    /** These. */
    static SortedSet<Integer> of(Integer... steps) {
        return new TreeSet<>(List.of(steps));
    }

    private static SortedSet<Integer> byDecade(int first, int last, List<Integer> tenths) {
        SortedSet<Integer> steps = new TreeSet<>();
        for (long decade = 1; decade <= last; decade *= 10) {
            for (long tenth : tenths) {
                long step = decade * tenth / 10;
                if (step >= first && step < last && decade * tenth % 10 == 0) {
                    steps.add((int) step);
                }
            }
        }
        steps.add(last);
        return steps;
    }
}

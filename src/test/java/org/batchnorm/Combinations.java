package org.batchnorm;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Some of all combinations of several parameters' values, in which all combinations of any two or three parameters are:
 * a fault that needs no more than these shows in them as it does in all. Greedy, as AETG is.
 *
 * <p>Source: Cohen, Dalal, Fredman &amp; Patton 1997, "The AETG System: An Approach to Testing Based on Combinatorial
 * Design".
 */
public final class Combinations {
    /** As a strength: every combination there is. */
    public static final int ALL = Integer.MAX_VALUE;

    private static final int OPEN = -1;

    private Combinations() {}

    /** The values that the parameters have in one combination. */
    public static final class Choice {
        private final int @Nullable [] row;
        private final List<Integer> sizes = new ArrayList<>();

        private Choice(int @Nullable [] row) {
            this.row = row;
        }

        /** One of the values of the next parameter. Each combination asks for the same parameters in the same order. */
        public <T> T of(List<T> values) {
            int parameter = sizes.size();
            sizes.add(values.size());
            return values.get(row == null ? 0 : row[parameter]);
        }

        /** The same of a parameter that is so or not. */
        public boolean either() {
            return of(List.of(false, true));
        }
    }

    /**
     * Combinations of what is chosen.
     *
     * @param strength of so many parameters every combination of values is among these, of all of them at most
     * @param combination made of one value of each parameter; called once before, to see what they are
     */
    public static <T> Stream<T> covering(int strength, Function<Choice, T> combination) {
        Choice first = new Choice(null);
        Objects.requireNonNull(combination.apply(first));
        int[] sizes = first.sizes.stream().mapToInt(Integer::intValue).toArray();
        return covering(strength, sizes).stream().map(row -> combination.apply(new Choice(row)));
    }

    /**
     * Rows of one value for each parameter.
     *
     * @param strength of so many parameters every combination of values is in one of the rows
     * @param sizes how many values each parameter has; a row holds their numbers, from 0
     */
    static List<int[]> covering(int strength, int... sizes) {
        int[] together = IntStream.range(0, 1 << sizes.length)
                .filter(chosen -> Integer.bitCount(chosen) == Math.min(strength, sizes.length))
                .toArray();
        Set<List<Integer>> missing = all(together, sizes);
        List<int[]> rows = new ArrayList<>();
        while (!missing.isEmpty()) {
            int[] row = missing.iterator().next().stream()
                    .mapToInt(Integer::intValue)
                    .toArray();
            for (int parameter = 0; parameter < row.length; parameter++) {
                if (row[parameter] == OPEN) {
                    row[parameter] = best(row, parameter, sizes[parameter], rows.size(), together, missing);
                }
            }
            parts(row, together).forEach(missing::remove);
            rows.add(row);
        }
        return rows;
    }

    /** The value with which most that is missing is in the row; of equal ones another one each time. */
    private static int best(int[] row, int parameter, int size, int turn, int[] together, Set<List<Integer>> missing) {
        int[] withIt = Arrays.stream(together)
                .filter(chosen -> isChosen(chosen, parameter))
                .toArray();
        int best = 0;
        long most = -1;
        int[] tried = row.clone();
        for (int i = 0; i < size; i++) {
            tried[parameter] = (i + turn) % size;
            long found = parts(tried, withIt).stream().filter(missing::contains).count();
            if (found > most) {
                most = found;
                best = tried[parameter];
            }
        }
        return best;
    }

    private static boolean isChosen(int chosen, int parameter) {
        return ((chosen >> parameter) & 1) != 0;
    }

    /** Every combination of the values of parameters that are taken together; the other parameters are open. */
    private static Set<List<Integer>> all(int[] together, int[] sizes) {
        Set<List<Integer>> all = new LinkedHashSet<>();
        for (int chosen : together) {
            int[] open = new int[sizes.length];
            Arrays.fill(open, OPEN);
            add(all, chosen, 0, open, sizes);
        }
        return all;
    }

    private static void add(Set<List<Integer>> all, int chosen, int parameter, int[] row, int[] sizes) {
        if (parameter == sizes.length) {
            all.add(Arrays.stream(row).boxed().toList());
            return;
        }
        boolean isChosen = isChosen(chosen, parameter);
        for (int value = isChosen ? 0 : OPEN; value < (isChosen ? sizes[parameter] : 0); value++) {
            int[] with = row.clone();
            with[parameter] = value;
            add(all, chosen, parameter + 1, with, sizes);
        }
    }

    /** Those combinations that are in a row, which may be open in places. */
    private static List<List<Integer>> parts(int[] row, int[] together) {
        List<List<Integer>> parts = new ArrayList<>();
        for (int chosen : together) {
            List<Integer> part = IntStream.range(0, row.length)
                    .map(parameter -> isChosen(chosen, parameter) ? row[parameter] : OPEN)
                    .boxed()
                    .toList();
            if (part.stream().filter(value -> value != OPEN).count() == Integer.bitCount(chosen)) {
                parts.add(part);
            }
        }
        return parts;
    }
}

package org.batchnorm;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;

/**
 * Some of all combinations of several parameters' values, in which all combinations of any two or three parameters are:
 * a fault that needs no more than these shows in them as it does in all. Greedy, as AETG is.
 *
 * <p>Source: Cohen, Dalal, Fredman &amp; Patton 1997, "The AETG System: An Approach to Testing Based on Combinatorial
 * Design".
 */
final class Combinations {
    private static final int OPEN = -1;

    private Combinations() {}

    /**
     * Rows of one value for each parameter.
     *
     * @param strength of so many parameters every combination of values is in one of the rows
     * @param sizes how many values each parameter has; a row holds their numbers, from 0
     */
    static List<int[]> covering(int strength, int... sizes) {
        Set<List<Integer>> missing = all(strength, sizes);
        List<int[]> rows = new ArrayList<>();
        while (!missing.isEmpty()) {
            int[] row = missing.iterator().next().stream()
                    .mapToInt(Integer::intValue)
                    .toArray();
            for (int parameter = 0; parameter < row.length; parameter++) {
                if (row[parameter] == OPEN) {
                    row[parameter] = best(row, parameter, sizes[parameter], rows.size(), strength, missing);
                }
            }
            parts(row, strength).forEach(missing::remove);
            rows.add(row);
        }
        return rows;
    }

    /** The value with which most that is missing is in the row; of equal ones another one each time. */
    private static int best(int[] row, int parameter, int size, int turn, int strength, Set<List<Integer>> missing) {
        int best = 0;
        long most = -1;
        int[] tried = row.clone();
        for (int i = 0; i < size; i++) {
            tried[parameter] = (i + turn) % size;
            long found =
                    parts(tried, strength).stream().filter(missing::contains).count();
            if (found > most) {
                most = found;
                best = tried[parameter];
            }
        }
        return best;
    }

    /** Every combination of so many parameters' values; the other parameters are open. */
    private static Set<List<Integer>> all(int strength, int[] sizes) {
        Set<List<Integer>> all = new LinkedHashSet<>();
        for (int chosen = 0; chosen < (1 << sizes.length); chosen++) {
            if (Integer.bitCount(chosen) == strength) {
                int[] open = new int[sizes.length];
                Arrays.fill(open, OPEN);
                add(all, chosen, 0, open, sizes);
            }
        }
        return all;
    }

    private static void add(Set<List<Integer>> all, int chosen, int parameter, int[] row, int[] sizes) {
        if (parameter == sizes.length) {
            all.add(Arrays.stream(row).boxed().toList());
            return;
        }
        boolean isChosen = ((chosen >> parameter) & 1) != 0;
        for (int value = isChosen ? 0 : OPEN; value < (isChosen ? sizes[parameter] : 0); value++) {
            int[] with = row.clone();
            with[parameter] = value;
            add(all, chosen, parameter + 1, with, sizes);
        }
    }

    /** Those combinations that are in a row, which may be open in places. */
    private static List<List<Integer>> parts(int[] row, int strength) {
        List<List<Integer>> parts = new ArrayList<>();
        for (int chosen = 0; chosen < (1 << row.length); chosen++) {
            if (Integer.bitCount(chosen) == strength) {
                List<Integer> part = new ArrayList<>();
                int set = 0;
                for (int parameter = 0; parameter < row.length; parameter++) {
                    boolean isChosen = ((chosen >> parameter) & 1) != 0;
                    part.add(isChosen ? row[parameter] : OPEN);
                    set += isChosen && row[parameter] != OPEN ? 1 : 0;
                }
                if (set == strength) {
                    parts.add(part);
                }
            }
        }
        return parts;
    }
}

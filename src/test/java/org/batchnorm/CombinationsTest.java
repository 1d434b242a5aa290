package org.batchnorm;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

class CombinationsTest {
    private static final int[] SIZES = {3, 5, 2, 4};

    @Test
    void everyTwoValuesMeet() {
        List<int[]> rows = Combinations.covering(2, SIZES);
        assertThat(rows).hasSizeBetween(5 * 4, 30);
        for (int a = 0; a < SIZES.length; a++) {
            for (int b = 0; b < a; b++) {
                Set<List<Integer>> met = new HashSet<>();
                for (int[] row : rows) {
                    assertThat(row[a]).isBetween(0, SIZES[a] - 1);
                    met.add(List.of(row[a], row[b]));
                }
                assertThat(met).as("parameters %d and %d", a, b).hasSize(SIZES[a] * SIZES[b]);
            }
        }
    }

    @Test
    void everyThreeValuesMeet() {
        List<int[]> rows = Combinations.covering(3, SIZES);
        assertThat(rows).hasSizeBetween(3 * 5 * 4, 90);
        for (int without = 0; without < SIZES.length; without++) {
            Set<List<Integer>> met = new HashSet<>();
            for (int[] row : rows) {
                met.add(List.of(
                        without == 0 ? 0 : row[0],
                        without == 1 ? 0 : row[1],
                        without == 2 ? 0 : row[2],
                        without == 3 ? 0 : row[3]));
            }
            assertThat(met).hasSize(3 * 5 * 2 * 4 / SIZES[without]);
        }
    }

    /** A combination is made of values, each of the list that was given for it; all of them are each one once. */
    @Test
    void valuesStandInThePlaceOfNumbers() {
        List<String> names = List.of("a", "b", "c");
        List<String> all = Combinations.covering(
                        Combinations.ALL, choice -> choice.of(names) + choice.either() + choice.of(List.of(1, 2)))
                .toList();
        assertThat(all).hasSize(12).doesNotHaveDuplicates().contains("afalse1", "ctrue2");
        List<String> pairs = Combinations.covering(
                        2, choice -> choice.of(names) + choice.either() + choice.of(List.of(1, 2)))
                .toList();
        assertThat(pairs).hasSizeBetween(6, 9).isSubsetOf(all);
    }
}

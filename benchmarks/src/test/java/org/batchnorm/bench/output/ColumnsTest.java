package org.batchnorm.bench.output;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;

class ColumnsTest {
    private static final Columns<String> TABLE = Columns.of(
            Column.<String>words("word", word -> word).wide(6),
            Column.<String>numbers("length", word -> Cells.format("%.1f", (double) word.length()))
                    .wide(8));

    @Test
    void markdownHasHeaderAlignmentAndALineARow() {
        assertThat(TABLE.markdown(List.of("gamma", "x")))
                .containsExactly("| word | length |", "| --- | ---: |", "| gamma | 5.0 |", "| x | 1.0 |");
    }

    @Test
    void plainColumnsAreAsWideAsToldOrAsTheirContent() {
        assertThat(TABLE.plainHeader()).isEqualTo("word     length");
        assertThat(TABLE.plain("gamma")).isEqualTo("gamma       5.0");
        assertThat(TABLE.plain("activation")).isEqualTo("activation     10.0");
    }

    @Test
    void cells() {
        assertThat(Cells.milliseconds(0.0123456)).isEqualTo("0.01235");
        assertThat(Cells.milliseconds(1.23456)).isEqualTo("1.235");
        assertThat(Cells.milliseconds(12.3456)).isEqualTo("12.3");
        assertThat(Cells.percent(0.925)).isEqualTo("93 %");
        assertThat(Cells.percent(null)).isEqualTo("–");
        assertThat(Cells.formatted("%.1f", null)).isEqualTo("–");
    }
}

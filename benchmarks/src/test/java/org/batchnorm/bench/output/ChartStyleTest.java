package org.batchnorm.bench.output;

import static org.assertj.core.api.Assertions.assertThat;

import java.awt.Color;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** {@link Axes} and {@link Look}. */
class ChartStyleTest {

    @Test
    void ticksAreWrittenOut() {
        assertThat(Axes.tick(10_000)).isEqualTo("10000");
        assertThat(Axes.tick(0.001)).isEqualTo("0.001");
        assertThat(Axes.tick(0.30000000000000004)).isEqualTo("0.3");
        assertThat(Axes.tick(-2.5)).isEqualTo("-2.5");
        assertThat(Axes.tick(0)).isEqualTo("0");
        assertThat(Axes.tick(1e-5)).isEqualTo("1e-05");
    }

    @Test
    void looksDifferUntilEveryColourHasHadEveryMarker() {
        assertThat(IntStream.range(0, Look.COUNT).mapToObj(Look::of)).doesNotHaveDuplicates();
        assertThat(IntStream.range(0, 7).mapToObj(Look::of).map(Look::color)).doesNotHaveDuplicates();
        assertThat(Look.of(Look.COUNT)).isEqualTo(Look.of(0));
        assertThat(Look.of(0).pale()).isEqualTo(new Color(0xAAD0E5));
    }
}

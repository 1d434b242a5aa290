package org.batchnorm.bench.workload;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class SamplesTest {

    @Test
    void statesMedianAndQuartiles() {
        Samples samples = Samples.of(new double[] {5e6, 1e6, 3e6, 2e6, 4e6});
        assertThat(samples.medianMillis()).isEqualTo(3);
        assertThat(samples.quantileMillis(0.25)).isEqualTo(2);
        assertThat(samples.quantileMillis(0.75)).isEqualTo(4);
        assertThat(samples.quantileMillis(0)).isEqualTo(1);
        assertThat(Samples.of(new double[] {1e6, 2e6}).medianMillis()).isEqualTo(1.5);
    }

    @Test
    void samplesOfTwoProcessesCountAlike() {
        Samples both = Samples.of(new double[] {5e6, 1e6, 4e6}).and(Samples.of(new double[] {3e6, 2e6}));
        assertThat(both.count()).isEqualTo(5);
        assertThat(both.medianMillis()).isEqualTo(3);
    }

    @Test
    void noSamplesAreRefused() {
        assertThatThrownBy(() -> Samples.of(new double[0])).hasMessageContaining("samples");
    }

    @Test
    void fillsEachSampleWithAsManyCallsAsItTakes() {
        List<Long> asked = new ArrayList<>();
        // An operation that claims a millisecond a call, however short it really is.
        Samples samples = Samples.take(new Samples.Plan(1, 20, 5), calls -> {
            asked.add(calls);
            busy(1_000_000);
            return calls * 1_000_000;
        });
        assertThat(samples.count()).isEqualTo(5);
        assertThat(samples.medianMillis()).isEqualTo(1);
        assertThat(asked.subList(asked.size() - 5, asked.size())).containsOnly(20L);
    }

    @Test
    void aSlowOperationIsCalledOnceASample() {
        List<Long> asked = new ArrayList<>();
        Samples.take(new Samples.Plan(1, 1, 3), calls -> {
            asked.add(calls);
            busy(2_000_000);
            return calls * 50_000_000;
        });
        assertThat(asked).containsOnly(1L);
    }

    private static void busy(long nanos) {
        long end = System.nanoTime() + nanos;
        while (System.nanoTime() < end) {
            Thread.onSpinWait();
        }
    }
}

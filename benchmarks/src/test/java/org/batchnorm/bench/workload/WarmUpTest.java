package org.batchnorm.bench.workload;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.Test;

/** On a clock that only the operation moves. */
class WarmUpTest {
    private static final int WINDOW = 200;

    private long now;
    private int windows;

    @Test
    void aSteadySpeedIsNotSteadyWhileSomethingIsCompiled() {
        // A compilation that takes two seconds: until it ends, every call is as slow as the one before.
        warmUp(() -> millis(now < 2_000_000_000L ? 100 : 1), () -> now < 2_000_000_000L);
        assertThat(now).isGreaterThanOrEqualTo(2_000_000_000L + 4 * WINDOW * 1_000_000L);
    }

    @Test
    void fourWindowsThatBringNothingAreSteady() {
        warmUp(() -> millis(1), () -> false);
        // The first has nothing before it to be compared with.
        assertThat(windows).isEqualTo(1 + 4);
    }

    @Test
    void aCompilationInTheMiddleStartsTheCountAnew() {
        warmUp(() -> millis(1), () -> windows == 4);
        assertThat(windows).isEqualTo(4 + 4);
    }

    @Test
    void whatGetsFasterGoesOn() {
        // By a tenth from window to window, ten times.
        warmUp(() -> millis(100 * Math.pow(0.9, Math.min(windows, 10))), () -> false);
        assertThat(windows).isGreaterThanOrEqualTo(10 + 4);
    }

    @Test
    void endsWhereTheCompilerNeverDoes() {
        warmUp(() -> millis(1), () -> true);
        assertThat(now).isEqualTo(30_000_000_000L);
    }

    @Test
    void theQueueOfThisJvmIsRead() {
        assertThat(JitCompiler.queue()).contains("Current compiles:", "C2 compile queue:");
        assertThat(JitCompiler.hasWork("""
                Current compiles:\s
                C2 CompilerThread0  1363   !   4       org.batchnorm.cpu.kernel.vector.VectorReduction::rows (530 bytes)

                C1 compile queue:
                Empty

                C2 compile queue:
                Empty

                """)).isTrue();
        assertThat(JitCompiler.hasWork("""
                Current compiles:\s

                C1 compile queue:
                Empty

                C2 compile queue:
                1347   !   4       java.lang.Integer::bitCount (53 bytes)

                """)).isTrue();
        assertThat(JitCompiler.hasWork("""
                Current compiles:\s

                C1 compile queue:
                Empty

                C2 compile queue:
                Empty

                """)).isFalse();
    }

    /** Runs it; the compiler is asked once after every window. */
    private void warmUp(Runnable operation, BooleanSupplier compilerWorks) {
        new WarmUp(() -> now, () -> {
                    windows++;
                    return compilerWorks.getAsBoolean();
                })
                .run(operation, WINDOW);
    }

    private void millis(double time) {
        now += Math.round(time * 1e6);
    }
}

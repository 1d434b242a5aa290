package org.batchnorm.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The threads that bring the vector kernels to compiled code. */
class VectorWarmUpTest {
    @ParameterizedTest
    @CsvSource({"true,true,false", "true,false,true", "false,true,true", "false,false,false"})
    void beginsWithTheFirstUseAndEnds(boolean onArrays, boolean byRows, boolean backward) throws InterruptedException {
        Set<Thread> before = warmUps();
        VectorKernelSource source = new VectorKernelSource(onArrays);
        assertThat(warmUps()).isSubsetOf(before);

        Kernels first = source.kernels(byRows, backward);
        source.kernels(byRows, backward);
        Set<Thread> begun = warmUps();
        begun.removeAll(before);
        assertThat(begun).hasSizeLessThanOrEqualTo(1);
        for (Thread warmUp : begun) {
            assertThat(warmUp.isDaemon()).isTrue();
            assertThat(warmUp.getContextClassLoader()).isNull();
            warmUp.join(TimeUnit.MINUTES.toMillis(1));
            assertThat(warmUp.isAlive()).isFalse();
        }

        Kernels vector = onArrays ? VectorKernels.onArrays() : VectorKernels.onSegments();
        Kernels expected = backward
                ? first.with(vector.reduceGradients()).with(vector.inputGradient())
                : first.with(vector.collectStatistics()).with(vector.transform());
        assertThat(first.transform()).isExactlyInstanceOf(PlainTransform.class);
        assertThat(source.kernels(byRows, backward)).isEqualTo(expected);
        assertThat(source.kernels(!byRows, backward)).isEqualTo(first);
    }

    private static Set<Thread> warmUps() {
        return Thread.getAllStackTraces().keySet().stream()
                .filter(VectorWarmUp.class::isInstance)
                .collect(Collectors.toSet());
    }
}

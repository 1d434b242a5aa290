package org.batchnorm.bench.jmh;

import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.batchnorm.bench.jmh.session.MeasuredBackend;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Expected;
import org.batchnorm.bench.workload.Fusion;
import org.batchnorm.bench.workload.Inputs;
import org.batchnorm.bench.workload.Kind;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.data.ElementType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Every kind that is measured passes the check that precedes each measurement, and the check sees what it must. */
class OperationBenchmarkTest {
    private static final List<Supplier<OperationBenchmark>> OPERATIONS =
            List.of(ForwardBenchmark::new, InferenceBenchmark::new, BackwardBenchmark::new);

    static Stream<Kind> kinds() {
        return Stream.of(ElementType.values())
                .flatMap(type -> Stream.of(Fusion.values()).map(fusion -> new Kind(type, fusion)))
                .filter(MeasuredBackend.onCpu("scalar")::does);
    }

    @ParameterizedTest
    @MethodSource("kinds")
    void everyKindIsRight(Kind kind) {
        for (Supplier<OperationBenchmark> operation : OPERATIONS) {
            for (String memory : List.of(OperationBenchmark.HEAP, OperationBenchmark.OFF_HEAP)) {
                check(operation.get(), kind, memory, false);
            }
        }
    }

    /** Large enough for several threads and for a remainder. */
    @ParameterizedTest
    @EnumSource(Fusion.class)
    void separatePassesGiveTheSame(Fusion fusion) {
        for (Supplier<OperationBenchmark> operation : OPERATIONS) {
            OperationBenchmark benchmark = operation.get();
            benchmark.shape = "257x341";
            check(benchmark, new Kind(ElementType.FLOAT32, fusion), OperationBenchmark.OFF_HEAP, true);
        }
    }

    private static void check(OperationBenchmark benchmark, Kind kind, String memory, boolean separate) {
        if (benchmark.shape.isEmpty()) {
            benchmark.shape = "33x5x3";
        }
        benchmark.backend = "scalar";
        benchmark.threads = 2;
        benchmark.memory = memory;
        benchmark.type = Kind.label(kind.type());
        benchmark.fused = kind.fusion().label();
        benchmark.separate = separate;
        benchmark.check();
        benchmark.tearDown();
    }

    @ParameterizedTest
    @EnumSource(value = Fusion.class, mode = EnumSource.Mode.EXCLUDE, names = "NONE")
    void whoFusesNothingIsNotTimed(Fusion fusion) {
        BenchShape shape = BenchShape.of(33, 5);
        Kind fused = new Kind(ElementType.FLOAT32, fusion);
        for (Supplier<OperationBenchmark> benchmark : OPERATIONS) {
            OperationBenchmark plain = benchmark.get();
            Operation operation = plain.operation();
            Inputs in = Inputs.of(operation, shape, fused);
            assertThatThrownBy(() -> {
                        plain.shape = shape.toString();
                        check(plain, Kind.PLAIN, OperationBenchmark.HEAP, false);
                        Expected.of(operation, shape, in).check("plain", plain.results(), 1e-3);
                    })
                    .isInstanceOf(IllegalStateException.class)
                    .hasMessageContaining("not timed");
        }
    }

    /** A float32 result rounded twice as coarsely as the type would. */
    @Test
    void theToleranceOfATypeIsItsOwnRounding() {
        BenchShape shape = BenchShape.of(64, 4);
        Kind half = new Kind(ElementType.FLOAT16, Fusion.NONE);
        Inputs in = Inputs.of(Operation.FORWARD, shape, half);
        ForwardBenchmark benchmark = new ForwardBenchmark();
        benchmark.shape = shape.toString();
        check(benchmark, half, OperationBenchmark.HEAP, false);
        float[] y = benchmark.results().get(Expected.Y);
        float[] coarse = new float[y.length];
        for (int i = 0; i < y.length; i++) {
            coarse[i] = ElementType.BFLOAT16.toFloat(ElementType.BFLOAT16.toBits(y[i]));
        }
        assertThatThrownBy(() -> Expected.of(Operation.FORWARD, shape, in)
                        .check("bfloat16", Map.of(Expected.Y, coarse), 100 * 0x1p-24))
                .hasMessageContaining("float16");
    }
}

package org.batchnorm.bench.tornadovm.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.batchnorm.bench.jmh.device.DeviceModel;
import org.batchnorm.bench.jmh.device.DeviceTimer.Version;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.tornadovm.Launch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The formula against numbers worked out by hand, what the documents say of it, and the table that they print. */
class GpuModelTest {
    private static final Gpu H100 = gpu("H100");
    private static final Gpu RTX_4090 = gpu("RTX 4090");
    private static final BenchShape LARGE = BenchShape.parse("65536x1024");
    private static final BenchShape MEDIUM = BenchShape.parse("4096x256");

    /** By work-items 2048 / 256; by registers 65536 / (8 warps of 64 · 32); by shared memory 228 KiB / (39 + 1). */
    @ParameterizedTest
    @CsvSource({"256, 32, 0, 8", "256, 64, 0, 4", "256, 33, 0, 6", "256, 32, 39936, 5", "64, 16, 0, 32"})
    void workGroupsThatFitAMultiprocessor(int workGroup, int registers, int localBytes, int expected) {
        Launch launch = new Launch("transform", 1000, workGroup, localBytes, 0);
        assertThat(KernelTime.residentGroups(launch, registers, H100.unit())).isEqualTo(expected);
    }

    /** Two tensors of 268.4 MB at 0.9 · 3350 GB/s. */
    @Test
    void aLargeKernelTakesWhatItsBytesTake() {
        KernelTime inference =
                GpuModel.kernels(Operation.INFERENCE, LARGE, H100).getFirst();
        assertThat(inference.memoryMicros()).isCloseTo(178.07, within(0.01));
        assertThat(inference.micros()).isCloseTo(180.07, within(0.01));
        assertThat(inference.limit()).isEqualTo("memory");
    }

    /** 2^20 values, 28 operations of float32 each at 128 a clock, on 128 units at 2.5 GHz. */
    @Test
    void pairsOfFloat32DoNotHoldAConsumersGpuUp() {
        KernelTime gradients =
                GpuModel.kernels(Operation.BACKWARD, MEDIUM, RTX_4090).getFirst();
        assertThat(gradients.kernel()).isEqualTo("reduceGradients");
        assertThat(gradients.arithmeticMicros()).isCloseTo(0.7168, within(0.0001));
        assertThat(gradients.limit()).isEqualTo("memory");
        assertThat(GpuModel.kernels(Operation.BACKWARD, MEDIUM, H100).getFirst().limit())
                .isEqualTo("memory");
    }

    /** 2^20 values, 2 conversions at 16 a clock and 3 operations of float64 at 32, on 108 units at 1.41 GHz. */
    @Test
    void aGpuForComputingTakesItsSumsInFloat64() {
        KernelTime gradients =
                GpuModel.kernels(Operation.BACKWARD, MEDIUM, gpu("A100")).getFirst();
        assertThat(gradients.kernel()).isEqualTo("reduceGradients");
        assertThat(gradients.arithmeticMicros()).isCloseTo(1.5063, within(0.0001));
    }

    /** The rate is asked of the name, as the pieces ask it of a driver's; the model knows the numbers. */
    @Test
    void sumsAreInFloat64WhereItHasHalfOfTheRate() {
        assertThat(Gpu.ALL)
                .allSatisfy(gpu -> assertThat(gpu.limits().fastFloat64())
                        .as(gpu.name())
                        .isEqualTo(
                                2 * gpu.unit().float64PerClock() >= gpu.unit().float32PerClock()));
    }

    /** 8 work-items in a group, 4 loads each: 128 bytes a latency. */
    @Test
    void littleInFlightTakesLatencies() {
        Launch launch = new Launch("mergeStatistics", 1, 8, 0, 64);
        KernelTime time = KernelTime.of(launch, 1, false, H100);
        assertThat(time.flightMicros()).isCloseTo(0.7 * 64 * 2 * 8 / 128, within(1e-9));
        assertThat(KernelTime.of(new Launch("inference", 1, 64, 0, 0), 1, true, H100)
                        .flightMicros())
                .as("one latency at least")
                .isEqualTo(0.7);
    }

    @Test
    void keepingFeaturesOnChipSavesLaunchesAndReads() {
        DeviceModel model = new GpuModel();
        BenchShape textbook = BenchShape.parse("60x100");
        String device = "NVIDIA A100-SXM4-80GB";
        assertThat(model.millis(device, Operation.FORWARD, textbook, Version.ON_CHIP))
                .isLessThan(model.millis(device, Operation.FORWARD, textbook, Version.ROWS) / 2);
    }

    @Test
    void devicesAreKnownByTheirDriversNames() {
        DeviceModel model = DeviceModel.find().orElseThrow();
        assertThat(List.of("NVIDIA H100 80GB HBM3", "NVIDIA H200", "NVIDIA A100-PCIE-40GB", "NVIDIA GeForce RTX 4090"))
                .allMatch(model::knows);
        assertThat(model.knows("cpu-haswell-AMD EPYC")).isFalse();
        assertThatThrownBy(() -> model.millis("Testing 1000", Operation.FORWARD, LARGE, Version.ROWS))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("device: \"Testing 1000\" given, must be one of [H100, H200, A100, RTX 4090]");
        assertThatThrownBy(() -> GpuModel.kernels(Operation.COPY, LARGE, H100))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("operation: copy given");
    }

    /** Budgets that {@code CompiledCodeTest} holds the kernels to bound what the model takes for granted. */
    @Test
    void noKernelHasMoreRegistersThanItsBudget() {
        for (Operation operation : Operation.ofBatchNorm()) {
            GpuModel.kernels(operation, MEDIUM, H100)
                    .forEach(time -> Stream.of(true, false)
                            .forEach(fastFloat64 -> assertThat(KernelCost.of(time.kernel(), fastFloat64)
                                            .registers())
                                    .isBetween(16, 64)));
        }
    }

    @Test
    void theReadmeShowsTheTable() throws IOException {
        assertThat(Files.readString(Path.of("..", "..", "kernels", "README.md")))
                .as("kernels/README.md has what `scripts/batchnorm check-gpu --model` prints first")
                .contains(ModelTable.markdown());
    }

    /** What the readme says under the table. */
    @Test
    void whatTheModelFindsSlow() {
        assertThat(ModelTable.slow())
                .doesNotContain("by arithmetic")
                .contains("- mergeStatistics by in flight: ")
                .contains("8388608x8 on H100 4.")
                .contains("- forward mostly launches: 60x100 on H100 2.0 of 3.0 µs; ")
                .contains("4096x256 on H100 6.0 of ");
    }

    private static Gpu gpu(String name) {
        return Gpu.ALL.stream()
                .filter(gpu -> gpu.name().equals(name))
                .findFirst()
                .orElseThrow();
    }
}

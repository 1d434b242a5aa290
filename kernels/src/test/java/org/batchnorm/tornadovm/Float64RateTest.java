package org.batchnorm.tornadovm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What a device's float64 is taken for: sums of gradients are in float64 or in pairs of float32 by it. */
class Float64RateTest {

    @ParameterizedTest
    @ValueSource(
            strings = {
                "NVIDIA A100-SXM4-80GB",
                "NVIDIA A100-SXM4-40GB MIG 1g.5gb",
                "GRID A100X-8C",
                "NVIDIA A800 40GB Active",
                "NVIDIA A30",
                "NVIDIA H100 80GB HBM3",
                "NVIDIA H100 NVL",
                "NVIDIA H200",
                "NVIDIA GH200 480GB",
                "NVIDIA B200",
                "NVIDIA GB200",
                "Tesla P100-PCIE-16GB",
                "Quadro GP100",
                "Tesla V100-SXM2-32GB",
                "Tesla V100S-PCIE-32GB",
                "Quadro GV100",
                "NVIDIA TITAN V",
                "gfx90a:sramecc+:xnack-",
                "gfx942:sramecc+:xnack-",
                "Intel(R) Data Center GPU Max 1550"
            })
    void gpusForComputingAreFast(String name) {
        assertThat(Float64Rate.isFast(name)).isTrue();
    }

    /** Also those that are named like fast ones, and whatever is not known. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "NVIDIA GeForce RTX 4090",
                "NVIDIA GeForce GTX 1080 Ti",
                "NVIDIA L4",
                "NVIDIA L40S",
                "Tesla T4",
                "Tesla P40",
                "Tesla P4",
                "NVIDIA A10",
                "NVIDIA A40",
                "NVIDIA RTX A1000",
                "NVIDIA RTX A3000 Laptop GPU",
                "NVIDIA A10G",
                "NVIDIA H20",
                "NVIDIA H800",
                "NVIDIA B300 SXM6 AC",
                "NVIDIA GB10",
                "NVIDIA TITAN Xp",
                "NVIDIA TITAN RTX",
                "gfx1100",
                "gfx906:sramecc+:xnack-",
                "Intel(R) Arc(TM) A770 Graphics",
                "Oclgrind Simulator",
                ""
            })
    void othersAreSlow(String name) {
        assertThat(Float64Rate.isFast(name)).isFalse();
    }

    @ParameterizedTest
    @CsvSource({
        ",     NVIDIA L4,   false, false",
        ",     NVIDIA H100, false, true",
        ",     pthread-EPYC, true, true",
        "slow, NVIDIA H100, false, false",
        "slow, pthread-EPYC, true, false",
        "fast, NVIDIA L4,   false, true"
    })
    void itMayBeGiven(String given, String name, boolean cpu, boolean fast) {
        assertThat(Float64Rate.isFast(given, name, cpu)).isEqualTo(fast);
    }

    @Test
    void theDeviceHereIsTakenForWhatIsGiven() {
        Optional<String> before = Optional.ofNullable(System.getProperty(DeviceLimits.FLOAT64_PROPERTY));
        try {
            for (boolean fast : new boolean[] {true, false}) {
                System.setProperty(DeviceLimits.FLOAT64_PROPERTY, fast ? "fast" : "slow");
                DeviceLimits limits = DeviceLimits.of(Layers.DEVICE);
                assertThat(limits).isEqualTo(Layers.OWN.withFastFloat64(fast));
                assertThat(limits.withoutLocalMemory().fastFloat64()).isEqualTo(fast);
                assertThat(DeviceLimits.hasFastFloat64("NVIDIA H100")).isEqualTo(fast);
            }
            System.setProperty(DeviceLimits.FLOAT64_PROPERTY, "1/64");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> DeviceLimits.of(Layers.DEVICE))
                    .withMessage("-Dorg.batchnorm.tornadovm.float64: \"1/64\" given, must be fast or slow");
        } finally {
            before.ifPresentOrElse(
                    value -> System.setProperty(DeviceLimits.FLOAT64_PROPERTY, value),
                    () -> System.clearProperty(DeviceLimits.FLOAT64_PROPERTY));
        }
    }

    /** A GPU whose float64 nobody told of has pairs. */
    @Test
    void withoutWordOfItAGpuIsSlow() {
        assertThat(new DeviceLimits(132, 1024, 0, false).fastFloat64()).isFalse();
        assertThat(new DeviceLimits(2, 1024, 0, true).fastFloat64()).isTrue();
    }
}

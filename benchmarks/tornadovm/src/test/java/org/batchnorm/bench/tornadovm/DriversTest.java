package org.batchnorm.bench.tornadovm;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

class DriversTest {

    @Test
    void theKernelModuleTellsTheVersion() {
        assertThat(
                        Drivers.parseVersion(
                                "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  580.159.03  Release Build  (root@host)\nGCC version:  gcc version 13.3.0"))
                .contains("580.159.03");
    }

    @Test
    void theToolTellsTheVersionOnALineOfItsOwn() {
        assertThat(Drivers.parseVersion("550.54\n550.54\n")).contains("550.54");
    }

    @Test
    void whatIsNoVersionIsNone() {
        assertThat(Drivers.parseVersion("No devices were found")).isEmpty();
    }
}

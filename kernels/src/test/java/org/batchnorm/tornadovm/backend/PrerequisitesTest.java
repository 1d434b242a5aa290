package org.batchnorm.tornadovm.backend;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Optional;
import org.batchnorm.spi.Availability;
import org.junit.jupiter.api.Test;

/** Each thing that may be missing, and that the answer says what to do. */
class PrerequisitesTest {
    private static final Optional<String> HOME = Optional.of("/opt/tornadovm");
    private static final Optional<String> FOR_25 = Optional.of("5.2.0-jdk25");

    @Test
    void noSdk() {
        Availability answer =
                new Prerequisites(Optional.empty(), false, Optional.empty(), 25, Optional.empty()).check();
        assertThat(answer.usable()).isFalse();
        assertThat(answer.reason()).contains("TORNADOVM_HOME is not set");
        assertThat(answer.remedy()).contains("sdk install tornadovm");
    }

    @Test
    void homeIsNoSdk() {
        Availability answer = new Prerequisites(HOME, false, Optional.empty(), 25, Optional.empty()).check();
        assertThat(answer.usable()).isFalse();
        assertThat(answer.reason()).contains("/opt/tornadovm").contains("no tornado-argfile");
        assertThat(answer.remedy()).contains("let it name a TornadoVM SDK");
    }

    @Test
    void startedWithoutTheArgfile() {
        Availability answer = new Prerequisites(HOME, true, Optional.empty(), 25, Optional.empty()).check();
        assertThat(answer.usable()).isFalse();
        assertThat(answer.reason()).contains("started without TornadoVM's modules");
        assertThat(answer.remedy()).contains("@$TORNADOVM_HOME/tornado-argfile");
    }

    @Test
    void wrongJdk() {
        Availability answer = new Prerequisites(HOME, true, FOR_25, 26, Optional.empty()).check();
        assertThat(answer.usable()).isFalse();
        assertThat(answer.reason()).contains("built for JDK 25").contains("this is JDK 26");
        assertThat(answer.remedy()).contains("run with JDK 25");
    }

    @Test
    void bailoutOn() {
        Availability answer = new Prerequisites(HOME, true, FOR_25, 25, Optional.of("True")).check();
        assertThat(answer.usable()).isFalse();
        assertThat(answer.reason()).contains("sequential Java");
        assertThat(answer.remedy()).contains("-Dtornado.recover.bailout=False");
    }

    @Test
    void allInPlace() {
        assertThat(new Prerequisites(HOME, true, FOR_25, 25, Optional.of("False"))
                        .check()
                        .usable())
                .isTrue();
        assertThat(new Prerequisites(HOME, true, FOR_25, 25, Optional.empty())
                        .check()
                        .usable())
                .isTrue();
        assertThat(new Prerequisites(Optional.empty(), false, Optional.of(""), 25, Optional.empty())
                        .check()
                        .usable())
                .isTrue();
    }
}

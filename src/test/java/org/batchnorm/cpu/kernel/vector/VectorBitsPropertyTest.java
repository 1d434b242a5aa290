package org.batchnorm.cpu.kernel.vector;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Isolated;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the property says is read each time; whoever opens the backend is told what is wrong with it. */
@Isolated("sets a system property")
class VectorBitsPropertyTest {
    private final String before = System.getProperty(VectorBits.PROPERTY, "");

    @AfterEach
    void setBack() {
        System.setProperty(VectorBits.PROPERTY, before);
    }

    /** One width the processor has is as good as none that is asked for. */
    @Test
    void whatTheProcessorDoesNotHaveIsAProblem() {
        System.setProperty(VectorBits.PROPERTY, "512");
        assertThat(VectorBits.forced()).hasValue(512);
        assertThat(VectorBits.problem(512)).isEmpty();
        assertThat(VectorBits.problem(256)).contains("512 is no width", "at most 256 bits");
    }

    @ParameterizedTest
    @ValueSource(strings = {"257", "300", "1024", "wide"})
    void whatIsNoWidthIsAProblem(String bits) {
        System.setProperty(VectorBits.PROPERTY, bits);
        assertThat(VectorBits.forced()).isEmpty();
        assertThat(VectorBits.problem(512)).contains("=" + bits + " is no width");
    }
}

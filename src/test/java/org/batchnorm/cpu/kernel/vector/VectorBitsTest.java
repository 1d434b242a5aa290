package org.batchnorm.cpu.kernel.vector;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.batchnorm.ChildJvm;
import org.batchnorm.spi.Availability;
import org.batchnorm.spi.Backends;
import org.batchnorm.spi.BatchNormBackend;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Users can force the width of vectors; what is no width is told, and the backend not taken. */
class VectorBitsTest {
    private static final int SECONDS = 60;

    @ParameterizedTest
    @ValueSource(strings = {"", "128"})
    void aWidthIsTaken(String bits) throws Exception {
        assertThat(run(bits)).contains("usable=true", "vectors of " + bits);
    }

    @ParameterizedTest
    @ValueSource(strings = {"300", "1024", "wide"})
    void whatIsNoWidthIsRefused(String bits) throws Exception {
        assertThat(run(bits))
                .contains("usable=false", "-D" + VectorBits.PROPERTY + "=" + bits + " is no width", "leave it out");
    }

    /** Whoever opens the backend is told; one width the processor has is as good as none that is asked for. */
    @Test
    void whatCannotBeHadIsAProblem() {
        String before = System.getProperty(VectorBits.PROPERTY, "");
        try {
            System.setProperty(VectorBits.PROPERTY, "512");
            assertThat(VectorBits.forced()).hasValue(512);
            assertThat(VectorBits.problem(512)).isEmpty();
            assertThat(VectorBits.problem(256)).contains("512 is no width", "at most 256 bits");
            System.setProperty(VectorBits.PROPERTY, "257");
            assertThat(VectorBits.forced()).isEmpty();
            assertThat(VectorBits.problem(512)).contains("257 is no width");
        } finally {
            System.setProperty(VectorBits.PROPERTY, before);
        }
    }

    private static String run(String bits) throws Exception {
        return ChildJvm.run(List.of("-D" + VectorBits.PROPERTY + "=" + bits), Says.class, List.of(), SECONDS);
    }

    /** Prints what the backend says of itself. */
    public static final class Says {
        private Says() {}

        /** Takes no arguments. */
        public static void main(String[] arguments) {
            BatchNormBackend vector = Backends.all().stream()
                    .filter(backend -> backend.name().equals("vector"))
                    .findFirst()
                    .orElseThrow();
            Availability availability = vector.availability();
            System.out.println("usable=" + availability.usable() + ": " + availability);
        }
    }
}

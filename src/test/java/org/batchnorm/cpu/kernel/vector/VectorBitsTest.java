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

    /** Other widths that are none: {@link VectorBitsPropertyTest}. */
    @Test
    void whatIsNoWidthIsRefused() throws Exception {
        assertThat(run("1024"))
                .contains("usable=false", "-D" + VectorBits.PROPERTY + "=1024 is no width", "leave it out");
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

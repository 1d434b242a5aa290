package org.batchnorm.mpi;

import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.time.Duration;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MpiLibraryTest {
    @AfterEach
    void forget() {
        System.clearProperty(MpiLibrary.LIBRARY_PROPERTY);
    }

    @ParameterizedTest
    @CsvSource({"/nowhere/libmpi.so,is not there", "libc.so.6,has no MPI_Iallgather"})
    void aMissingLibraryIsToldWithWhatToInstall(String file, String reason) {
        System.setProperty(MpiLibrary.LIBRARY_PROPERTY, file);
        assertThatIllegalStateException()
                .isThrownBy(() -> MpiExchange.run(Duration.ofSeconds(1), exchange -> {}))
                .withMessageContaining("mpi: no MPI library can be opened (" + file + " " + reason)
                .withMessageContaining("apt install openmpi-bin")
                .withMessageContaining("-Dorg.batchnorm.mpi.library=FILE");
    }

    @Test
    void aDeadlineIsPositive() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> MpiExchange.run(Duration.ZERO, exchange -> {}))
                .withMessageContaining("deadline: PT0S given, must be positive");
    }
}

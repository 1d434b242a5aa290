package org.batchnorm.bench.jmh.session;

import static org.assertj.core.api.Assertions.assertThat;

import org.batchnorm.bench.workload.Fusion;
import org.batchnorm.bench.workload.Kind;
import org.batchnorm.data.ElementType;
import org.batchnorm.spi.BackendOptions;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.IsolatedProviders;
import org.batchnorm.spi.ReferenceBackend;
import org.junit.jupiter.api.Test;

class MeasuredBackendTest {

    @Test
    void aBackendIsOpenedOnceForAllQuestions() {
        IsolatedProviders.run(ManyQuestions.class, Counting.class.getName());
    }

    /** A schedule asks for every operation, shape and memory. */
    static final class ManyQuestions implements Runnable {
        @Override
        public void run() {
            assertThat(MeasuredBackend.onCpu("counting").does(Kind.PLAIN)).isTrue();
            assertThat(Counting.opened).as("opened to be asked for what all do").isZero();
            for (int question = 0; question < 3; question++) {
                MeasuredBackend backend = MeasuredBackend.onCpu("counting");
                assertThat(backend.does(new Kind(ElementType.FLOAT16, Fusion.NONE)))
                        .isTrue();
                assertThat(backend.does(new Kind(ElementType.FLOAT64, Fusion.NONE)))
                        .isFalse();
                assertThat(backend.does(new Kind(ElementType.FLOAT32, Fusion.RESIDUAL_RELU)))
                        .isFalse();
            }
            assertThat(Counting.opened).isEqualTo(1);
        }
    }

    /** Takes 16-bit types, and knows how often it was opened. */
    public static final class Counting extends ReferenceBackend {
        static int opened;

        @Override
        public String name() {
            return "counting";
        }

        @Override
        public BatchNormOperations open(BackendOptions options) {
            opened++;
            return new ReferenceBackend.Operations() {
                @Override
                public boolean takes16Bit() {
                    return true;
                }
            };
        }
    }
}

package org.batchnorm.tornadovm.backend;

import static org.assertj.core.api.Assertions.assertThatCode;

import java.util.List;
import java.util.Random;
import org.batchnorm.BatchNorm;
import org.batchnorm.Fuzz;
import org.batchnorm.data.BatchShape;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** {@link Fuzz} of the device. Batches of so many values share what was compiled for their features and positions. */
class TornadoFuzzTest {
    private static final int CASES = 48;
    private static final int MOST_ELEMENTS = 20_000;

    /** One sample of each shape. Every kernel has some, in two stages and on chip, of one work-group and of many. */
    private static final List<BatchShape> SAMPLES = List.of(
            BatchShape.of(1, 1),
            BatchShape.of(1, 16),
            BatchShape.of(1, 100),
            BatchShape.of(1, 250),
            BatchShape.channelsFirst(1, 5, 7),
            BatchShape.channelsFirst(1, 64, 9),
            BatchShape.channelsFirst(1, 3, 49),
            BatchShape.channelsFirst(1, 40, 100));

    @RegisterExtension
    static final KeptOpen DEVICE = new KeptOpen();

    @Test
    void everyRegimeIsWithinTheBar() {
        Fuzz fuzz = new Fuzz(CASES);
        assertThatCode(() -> fuzz.run(
                        TornadoFuzzTest::shape,
                        features -> BatchNorm.builder(features).backend(TornadoBackend.NAME)))
                .doesNotThrowAnyException();
    }

    private static BatchShape shape(Random random) {
        BatchShape sample = SAMPLES.get(random.nextInt(SAMPLES.size()));
        int most = Math.toIntExact(MOST_ELEMENTS / sample.elements());
        int n = 3 + random.nextInt(random.nextBoolean() ? Math.min(most, 40) : most);
        return new BatchShape(n, sample.c(), sample.spatial(), sample.layout());
    }
}

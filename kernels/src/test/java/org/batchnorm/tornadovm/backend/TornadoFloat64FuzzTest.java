package org.batchnorm.tornadovm.backend;

import java.util.List;
import java.util.Random;
import org.batchnorm.data.BatchShape;
import org.batchnorm.float64.Float64Fuzz;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.RegisterExtension;

/** {@link Float64Fuzz} of the device. Batches of so many values share what was compiled for their features. */
class TornadoFloat64FuzzTest {
    private static final int MOST_VALUES = 600;

    /** One sample of each shape: columns, small planes, planes. */
    private static final List<BatchShape> SAMPLES = List.of(
            BatchShape.of(1, 1),
            BatchShape.of(1, 9),
            BatchShape.channelsFirst(1, 5, 7),
            BatchShape.channelsFirst(1, 2, 100),
            BatchShape.channelsLast(1, 3, 20));

    @RegisterExtension
    static final KeptOpen DEVICE = new KeptOpen();

    @Test
    void everyRegimeIsWithinTheBar() {
        Float64Fuzz.run(0, 60, TornadoFloat64FuzzTest::shape, TornadoBackend.NAME);
    }

    @Tag("thorough")
    @Test
    void everyRegimeIsWithinTheBarInManyCases() {
        Float64Fuzz.run(60, 2000, TornadoFloat64FuzzTest::shape, TornadoBackend.NAME);
    }

    private static BatchShape shape(Random random) {
        BatchShape sample = SAMPLES.get(random.nextInt(SAMPLES.size()));
        int n = 3 + random.nextInt(Math.max(1, Math.toIntExact(MOST_VALUES / sample.elements()) - 2));
        return new BatchShape(n, sample.c(), sample.spatial(), sample.layout());
    }
}

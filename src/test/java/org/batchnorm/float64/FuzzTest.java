package org.batchnorm.float64;

import java.util.Random;
import org.batchnorm.data.BatchShape;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** {@link Float64Fuzz} of the CPU. */
class FuzzTest {
    private static final int MOST_VALUES = 600;

    @Test
    void everyRegimeIsWithinTheBar() {
        Float64Fuzz.run(0, 40, FuzzTest::shape, "vector");
    }

    @Tag("thorough")
    @Test
    void everyRegimeIsWithinTheBarInManyCases() {
        Float64Fuzz.run(40, 1500, FuzzTest::shape, "vector");
    }

    private static BatchShape shape(Random random) {
        int c = 1 + random.nextInt(9);
        int spatial = random.nextBoolean() ? 1 : 1 + random.nextInt(90);
        int n = 3 + random.nextInt(Math.max(MOST_VALUES / (c * spatial), 1));
        return random.nextBoolean() ? BatchShape.channelsFirst(n, c, spatial) : BatchShape.channelsLast(n, c, spatial);
    }
}

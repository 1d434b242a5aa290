package org.batchnorm.tornadovm.backend;

import java.util.stream.Stream;
import org.batchnorm.data.BatchShape;
import org.junit.jupiter.api.Tag;

/** The same with the other kinds of grids: each of them costs compilations. */
@Tag("thorough")
class TornadoFusedShapesTest extends TornadoFusedTest {
    @Override
    protected Stream<BatchShape> shapes() {
        return Stream.of(
                BatchShape.of(3000, 20),
                BatchShape.channelsFirst(5, 7, 13),
                BatchShape.channelsFirst(4, 3, 31, 33),
                BatchShape.channelsLast(5, 7, 13));
    }
}

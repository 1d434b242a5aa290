package org.batchnorm.tornadovm.backend;

import java.util.stream.Stream;
import org.batchnorm.BatchNormContractTest;
import org.batchnorm.data.BatchShape;
import org.junit.jupiter.api.extension.RegisterExtension;

/** The contract on the backend {@code tornadovm}, forced, whatever the device. */
class TornadoContractTest extends BatchNormContractTest {
    @RegisterExtension
    static final KeptOpen DEVICE = new KeptOpen();

    @Override
    protected String backend() {
        return TornadoBackend.NAME;
    }

    /** One of each kind of grid: each of them costs compilations. */
    @Override
    protected Stream<BatchShape> shapes() {
        return Stream.of(
                BatchShape.of(4099, 1),
                BatchShape.of(64, 33),
                BatchShape.of(4, 1021),
                BatchShape.of(1024, 64),
                BatchShape.channelsFirst(1, 5, 3),
                BatchShape.channelsFirst(5, 7, 13),
                BatchShape.channelsFirst(4, 3, 31, 33),
                BatchShape.channelsFirst(1, 2, 9001),
                BatchShape.channelsLast(5, 7, 13),
                BatchShape.channelsLast(4, 3, 31, 33));
    }

    @Override
    protected Stream<BatchShape> largeShapes() {
        return Stream.of(BatchShape.of(20_011, 13), BatchShape.channelsFirst(64, 32, 14, 14));
    }
}

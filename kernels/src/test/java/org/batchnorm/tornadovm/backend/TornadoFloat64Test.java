package org.batchnorm.tornadovm.backend;

import java.util.List;
import org.batchnorm.data.BatchShape;
import org.batchnorm.float64.Float64ContractTest;
import org.junit.jupiter.api.extension.RegisterExtension;

/** FLOAT64 on the backend {@code tornadovm}, forced, whatever the device. */
class TornadoFloat64Test extends Float64ContractTest {
    @RegisterExtension
    static final KeptOpen DEVICE = new KeptOpen();

    @Override
    protected String backend() {
        return TornadoBackend.NAME;
    }

    /** One of each kind of grid, since each of them costs compilations. */
    @Override
    protected List<BatchShape> shapes() {
        return List.of(
                BatchShape.of(97, 3),
                BatchShape.channelsFirst(5, 3, 13),
                BatchShape.channelsFirst(2, 2, 3, 89),
                BatchShape.channelsLast(3, 7, 31));
    }

    /** What is off the heap is copied as it is, whosever it is. */
    @Override
    protected List<Place> places() {
        return List.of(Place.ARRAYS, Place.CONFINED, Place.PART_OF_AN_ARRAY, Place.READ_ONLY_INPUTS);
    }
}

package org.batchnorm.tornadovm.backend;

import static org.assertj.core.api.Assumptions.assumeThat;

import java.util.List;
import java.util.stream.Stream;
import org.batchnorm.SixteenBitContractTest;
import org.batchnorm.data.BatchShape;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.extension.RegisterExtension;

/** 16-bit types on the backend {@code tornadovm}, where the device takes them. */
class TornadoSixteenBitTest extends SixteenBitContractTest {
    @RegisterExtension
    static final KeptOpen DEVICE = new KeptOpen();

    @BeforeAll
    void takes16Bit() {
        assumeThat(DEVICE.operations().takes16Bit()).isTrue();
    }

    @Override
    protected String backend() {
        return TornadoBackend.NAME;
    }

    /** Of two kinds of grids: each of them costs compilations for each type. */
    @Override
    protected Stream<Case> pairs() {
        return combinations(2, List.of(BatchShape.of(5, 2), BatchShape.channelsFirst(5, 7, 13)));
    }

    /** Of the other kinds, and of few and of many work-groups. */
    @Override
    protected Stream<Case> thorough() {
        return combinations(
                2,
                List.of(
                        BatchShape.of(2, 700),
                        BatchShape.of(300, 257),
                        BatchShape.of(1009, 3),
                        BatchShape.channelsFirst(2, 5, 2100),
                        BatchShape.channelsLast(3, 40, 900)));
    }
}

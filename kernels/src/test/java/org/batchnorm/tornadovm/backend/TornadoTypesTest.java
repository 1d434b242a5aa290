package org.batchnorm.tornadovm.backend;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.batchnorm.BatchNorm;
import org.batchnorm.Values;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Which element types the backend {@code tornadovm} takes, and how it refuses others. */
class TornadoTypesTest {
    private static final BatchShape SHAPE = BatchShape.of(60, 5);

    private static boolean takes16Bit() {
        return Devices.find().choose(Optional.empty()).takes16Bit();
    }

    private static BatchNorm layer() {
        return BatchNorm.builder(SHAPE.c()).backend(TornadoBackend.NAME).build();
    }

    /**
     * A batch in buffers of FLOAT64 gives what one in arrays does, and is not copied; one in a buffer that is too short
     * is.
     */
    @Test
    void buffersHoldFloat64() {
        double[] values = new Random(3).doubles(300, -2, 2).toArray();
        double[] expected = new double[300];
        RecordedPlans plans = new RecordedPlans();
        try (TransferBuffer x = TransferBuffer.allocate(SHAPE, ElementType.FLOAT64);
                TransferBuffer y = TransferBuffer.allocate(SHAPE, ElementType.FLOAT64);
                TransferBuffer ofFloats = TransferBuffer.allocate(SHAPE);
                TornadoOperations operations = plans.open()) {
            forward(operations, Batch.of(values, SHAPE), Batch.of(expected, SHAPE));
            for (TransferBuffer buffer : List.of(x, ofFloats)) {
                MemorySegment.copy(values, 0, buffer.segment(), ValueLayout.JAVA_DOUBLE, 0, values.length);
                forward(
                        operations,
                        Batch.of(buffer.segment(), ElementType.FLOAT64, SHAPE),
                        Batch.of(y.segment(), ElementType.FLOAT64, SHAPE));
                double[] actual = new double[300];
                MemorySegment.copy(y.segment(), ValueLayout.JAVA_DOUBLE, 0, actual, 0, actual.length);
                assertThat(actual).isEqualTo(expected);
                assertThat(plans.built.getLast().out().address()).isEqualTo(address(y));
            }
            assertThat(plans.built).hasSize(3);
            assertThat(plans.built.get(1).x().address()).isEqualTo(address(x));
            assertThat(plans.built.get(2).x().address()).as("too short").isNotEqualTo(address(ofFloats));
        }
    }

    /** Before anything is changed. */
    @Test
    void batchesOfAnotherKindThanTheLayerAreRefused() {
        Batch doubles = Batch.of(new double[300], SHAPE);
        Batch floats = Batch.of(new float[300], SHAPE);
        try (BatchNorm layer = layer();
                BatchNorm ofFloat64 = BatchNorm.builder(SHAPE.c())
                        .elementType(ElementType.FLOAT64)
                        .backend(TornadoBackend.NAME)
                        .build()) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> layer.forward(doubles, floats))
                    .withMessageStartingWith("x: FLOAT64 given, must be FLOAT32, FLOAT16 or BFLOAT16");
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> ofFloat64.forward(doubles, floats))
                    .withMessageStartingWith("y: FLOAT32 given, must be FLOAT64");
            assertThat(layer.numBatchesTracked() + ofFloat64.numBatchesTracked())
                    .isZero();
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT16", "BFLOAT16"})
    void whereTheDeviceTakesNo16BitTypesTheyAreRefusedByName(ElementType type) {
        assumeThat(takes16Bit()).as("a device that takes 16-bit types").isFalse();
        Batch x = Batch.of(new short[300], type, SHAPE);
        Batch y = Batch.of(new float[300], SHAPE);
        try (BatchNorm layer = layer()) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> layer.forward(x, y))
                    .withMessageMatching(
                            "x: " + type + " given, but the backend tornadovm takes FLOAT32 and FLOAT64 alone:"
                                    + " TornadoVM 5\\.2 compiles kernels that read and store 16-bit types for its backend CUDA"
                                    + " alone, and device \\d:\\d is one of (OPENCL|PTX); give float32 values, or choose the"
                                    + " backend auto, vector or scalar");
            assertThat(layer.numBatchesTracked()).isZero();
        }
    }

    /** A buffer serves batches of float32 and of 16-bit types in turn. */
    @ParameterizedTest
    @EnumSource(names = {"FLOAT16", "BFLOAT16"})
    void buffersHoldAnyType(ElementType type) {
        assumeThat(takes16Bit()).as("a device that takes 16-bit types").isTrue();
        float[] values = Values.random(SHAPE, 1).x();
        short[] bits = new short[values.length];
        for (int i = 0; i < bits.length; i++) {
            bits[i] = type.toBits(values[i]);
        }
        short[] expected = new short[bits.length];
        RecordedPlans plans = new RecordedPlans();
        try (TransferBuffer x = TransferBuffer.allocate(SHAPE);
                TransferBuffer y = TransferBuffer.allocate(SHAPE);
                TornadoOperations operations = plans.open()) {
            forward(operations, Batch.of(bits, type, SHAPE), Batch.of(expected, type, SHAPE));
            assertThat(plans.built.getLast().x().address()).as("of arrays").isNotEqualTo(address(x));
            plans.built.clear();
            for (int run = 0; run < 2; run++) {
                MemorySegment.copy(values, 0, x.segment(), ValueLayout.JAVA_FLOAT, 0, values.length);
                forward(operations, Batch.of(x.segment(), SHAPE), Batch.of(y.segment(), SHAPE));
                MemorySegment.copy(bits, 0, x.segment(), ValueLayout.JAVA_SHORT, 0, bits.length);
                forward(operations, Batch.of(x.segment(), type, SHAPE), Batch.of(y.segment(), type, SHAPE));
                short[] actual = new short[bits.length];
                MemorySegment.copy(y.segment(), ValueLayout.JAVA_SHORT, 0, actual, 0, actual.length);
                assertThat(actual).isEqualTo(expected);
            }
            // What the device is sent and fills are the buffers themselves.
            assertThat(plans.built).hasSize(2).allSatisfy(plan -> {
                assertThat(plan.x().address()).isEqualTo(address(x));
                assertThat(plan.out().address()).isEqualTo(address(y));
            });
        }
    }

    private static long address(TransferBuffer buffer) {
        return buffer.segment().address();
    }

    private static void forward(TornadoOperations operations, Batch x, Batch y) {
        ElementType type = x.type() == ElementType.FLOAT64 ? ElementType.FLOAT64 : ElementType.FLOAT32;
        BatchStatistics statistics = new BatchStatistics(SHAPE.c(), type);
        operations.forward(new Tensors().forward(x, y), new Normalization(null, null, 1e-5, statistics, true));
    }
}

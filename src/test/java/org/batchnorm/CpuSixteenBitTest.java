package org.batchnorm;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.Arrays;
import java.util.stream.IntStream;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.spi.Activation;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The contract of 16-bit types, and the payloads of NaN, of which a device may have one for all. */
abstract class CpuSixteenBitTest extends SixteenBitContractTest {
    private static final int FEATURES = 33;
    private static final int INFINITY = 0x7f80_0000;

    private BatchNorm frozen(Activation output) {
        return BatchNorm.builder(FEATURES)
                .backend(backend())
                .activation(output)
                .build()
                .freezeStatistics();
    }

    private static BatchShape shape(int values) {
        return BatchShape.of(Math.ceilDiv(values, FEATURES), FEATURES);
    }

    /** Where y is positive the gradient of a residual is dy, with nothing but the rounding to its own type. */
    @ParameterizedTest
    @EnumSource(names = {"FLOAT16", "BFLOAT16"})
    void aNanOfFloat32KeepsWhatTheTypeHoldsOfIt(ElementType type) {
        int[] payloads = IntStream.iterate(
                        1, payload -> payload < 1 << 23, payload -> payload + (payload < 64 ? 1 : 8191))
                .toArray();
        BatchShape shape = shape(2 * payloads.length);
        float[] dy = new float[(int) shape.elements()];
        short[] expected = new short[dy.length];
        for (int i = 0; i < dy.length; i++) {
            int bits = INFINITY | payloads[i / 2 % payloads.length];
            dy[i] = Float.intBitsToFloat(i % 2 == 0 ? bits : bits | Integer.MIN_VALUE);
            expected[i] = type.toBits(dy[i]);
        }
        short[] dresidual = new short[dy.length];
        try (BatchNorm layer = frozen(Activation.relu())) {
            Arrays.fill(layer.bias(), 1);
            Batch x = Batch.of(new float[dy.length], shape);
            Batch y = Batch.of(new float[dy.length], shape);
            layer.forward(x, x, y);
            layer.backward(x, y, Batch.of(dy, shape), y, Batch.of(dresidual, type, shape));
        }
        assertThat(dresidual).isEqualTo(expected);
    }

    /** Every NaN of the type, in x as in dy: what comes of it in float32, rounded to the type. */
    @ParameterizedTest
    @EnumSource(names = {"FLOAT16", "BFLOAT16"})
    void aNanOfTheTypeEndsAsThatOfFloat32(ElementType type) {
        int[] nans = IntStream.rangeClosed(Short.MIN_VALUE, Short.MAX_VALUE)
                .filter(bits -> Float.isNaN(type.toFloat((short) bits)))
                .toArray();
        BatchShape shape = shape(nans.length);
        short[] values = new short[(int) shape.elements()];
        float[] floats = new float[values.length];
        for (int i = 0; i < values.length; i++) {
            values[i] = (short) nans[i % nans.length];
            floats[i] = type.toFloat(values[i]);
        }
        short[] y = new short[values.length];
        short[] dx = new short[values.length];
        float[] y32 = new float[values.length];
        float[] dx32 = new float[values.length];
        try (BatchNorm layer = frozen(Activation.NONE)) {
            step(layer, Batch.of(values, type, shape), Batch.of(y, type, shape), Batch.of(dx, type, shape));
            step(layer, Batch.of(floats, shape), Batch.of(y32, shape), Batch.of(dx32, shape));
        }
        for (int i = 0; i < values.length; i++) {
            assertThat(y[i]).as("y of %x", values[i]).isEqualTo(type.toBits(y32[i]));
            assertThat(dx[i]).as("dx of %x", values[i]).isEqualTo(type.toBits(dx32[i]));
        }
    }

    private static void step(BatchNorm layer, Batch xAndDy, Batch y, Batch dx) {
        SavedStatistics saved = new SavedStatistics(FEATURES);
        layer.forward(xAndDy, y, saved);
        layer.backward(xAndDy, xAndDy, dx, saved);
    }
}

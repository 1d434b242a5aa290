package org.batchnorm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.Random;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.spi.Activation;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * The backward of a layer with an activation after batch norm goes by the γ and β of its forward, whatever they are
 * since: the sign of the activation, which is made again of them, and the scale of dx.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
public abstract class ChangedParametersContractTest {
    private static final BatchShape SHAPE = BatchShape.of(64, 33);
    private static final int C = SHAPE.c();

    private final Arena arena = Arena.ofAuto();

    /** The backend's name, which is forced. */
    protected abstract String backend();

    /** Whether the backend takes a type here. */
    protected boolean takes(ElementType type) {
        return true;
    }

    @ParameterizedTest
    @EnumSource
    void ofALayer(ElementType type) {
        assumeTrue(takes(type), "a backend that takes " + type);
        for (Mode mode : new Mode[] {Mode.TRAINING, Mode.FROZEN}) {
            byte[][] expected = ofLayer(type, mode, false);
            assertThat(ofLayer(type, mode, true)).as("%s", mode).isEqualTo(expected);
        }
    }

    @ParameterizedTest
    @EnumSource
    void ofAFunction(ElementType type) {
        assumeTrue(takes(type), "a backend that takes " + type);
        byte[][] expected = ofFunction(type, false);
        assertThat(ofFunction(type, true)).isEqualTo(expected);
    }

    /** With a residual the sign is that of y, so that nothing is kept: γ is taken as it is. */
    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "FLOAT64"})
    void withAResidualTheyAreTakenAsTheyAre(ElementType type) {
        try (BatchNorm layer = layer(type)) {
            byte[][] expected = withResidual(layer, type, 1);
            assertThat(withResidual(layer, type, 2)).isEqualTo(expected);
        }
    }

    /** dx, dγ and dβ of one of two forwards in flight. */
    private byte[][] ofLayer(ElementType type, Mode mode, boolean changing) {
        try (BatchNorm layer = layer(type).mode(mode)) {
            set(layer, 3);
            SavedStatistics saved = new SavedStatistics(C);
            SavedStatistics ofAnother = new SavedStatistics(C);
            Batch x = random(type, 1);
            Batch other = random(type, 2);
            Batch dx = zeros(type);
            layer.forward(x, zeros(type), saved);
            if (changing) {
                set(layer, 5);
                layer.forward(other, zeros(type), ofAnother);
                set(layer, 6);
            }
            layer.backward(x, random(type, 4), dx, saved);
            byte[][] results = {bytes(dx), gradient(layer, true), gradient(layer, false)};
            if (changing) {
                layer.backward(other, random(type, 4), dx, ofAnother);
            }
            return results;
        }
    }

    private byte[][] ofFunction(ElementType type, boolean changing) {
        boolean inDouble = type == ElementType.FLOAT64;
        try (BatchNormFunction function = BatchNormFunction.builder(C)
                .backend(backend())
                .elementType(inDouble ? ElementType.FLOAT64 : ElementType.FLOAT32)
                .activation(Activation.leakyRelu(0.1))
                .build()) {
            double[] gamma = values(3, C);
            double[] beta = values(4, C);
            double[] dgamma = new double[C];
            double[] dbeta = new double[C];
            float[] floatGamma = floats(gamma);
            float[] floatBeta = floats(beta);
            float[] floatDgamma = new float[C];
            float[] floatDbeta = new float[C];
            Parameters parameters = inDouble
                    ? Parameters.ofDoubles(gamma, beta, dgamma, dbeta)
                    : new Parameters(floatGamma, floatBeta, floatDgamma, floatDbeta);
            SavedStatistics saved = new SavedStatistics(C);
            Batch dx = zeros(type);
            function.forward(random(type, 1), zeros(type), parameters, saved);
            if (changing) {
                Arrays.setAll(gamma, c -> -3 * gamma[c]);
                Arrays.fill(floatGamma, Float.NaN);
                Arrays.fill(floatBeta, 7);
                Arrays.fill(beta, 7);
                parameters = inDouble
                        ? Parameters.ofDoubles(null, beta, dgamma, dbeta)
                        : new Parameters(floatGamma, null, floatDgamma, floatDbeta);
            }
            function.backward(random(type, 1), random(type, 2), dx, parameters, saved);
            return new byte[][] {
                bytes(dx), inDouble ? bytes(dgamma) : bytes(floatDgamma), inDouble ? bytes(dbeta) : bytes(floatDbeta)
            };
        }
    }

    /** dx, divided by the factor by which γ is larger after the forward, and dresidual. */
    private byte[][] withResidual(BatchNorm layer, ElementType type, int factor) {
        set(layer, 3);
        layer.zeroGradients();
        Batch x = random(type, 1);
        Batch y = zeros(type);
        Batch dx = zeros(type);
        Batch dresidual = zeros(type);
        layer.forward(x, random(type, 2), y);
        for (int c = 0; c < C; c++) {
            if (type == ElementType.FLOAT64) {
                layer.doubleWeight()[c] *= factor;
            } else {
                layer.weight()[c] *= factor;
            }
        }
        layer.backward(x, y, random(type, 4), dx, dresidual);
        double[] scaled = new double[(int) SHAPE.elements()];
        if (type == ElementType.FLOAT64) {
            dx.copyTo(0, scaled, 0, scaled.length);
        } else {
            float[] narrow = new float[scaled.length];
            dx.copyTo(0, narrow, 0, narrow.length);
            Arrays.setAll(scaled, i -> narrow[i]);
        }
        Arrays.setAll(scaled, i -> scaled[i] / factor);
        return new byte[][] {bytes(scaled), bytes(dresidual)};
    }

    private BatchNorm layer(ElementType type) {
        return BatchNorm.builder(C)
                .backend(backend())
                .elementType(type == ElementType.FLOAT64 ? ElementType.FLOAT64 : ElementType.FLOAT32)
                .activation(Activation.leakyRelu(0.1))
                .build();
    }

    private static void set(BatchNorm layer, long seed) {
        double[] gamma = values(seed, C);
        double[] beta = values(seed + 1, C);
        if (layer.config().elementType() == ElementType.FLOAT64) {
            System.arraycopy(gamma, 0, layer.doubleWeight(), 0, C);
            System.arraycopy(beta, 0, layer.doubleBias(), 0, C);
        } else {
            System.arraycopy(floats(gamma), 0, layer.weight(), 0, C);
            System.arraycopy(floats(beta), 0, layer.bias(), 0, C);
        }
    }

    private static byte[] gradient(BatchNorm layer, boolean ofWeight) {
        if (layer.config().elementType() == ElementType.FLOAT64) {
            return bytes(ofWeight ? layer.doubleWeightGradient() : layer.doubleBiasGradient());
        }
        return bytes(ofWeight ? layer.weightGradient() : layer.biasGradient());
    }

    private Batch zeros(ElementType type) {
        return Batch.of(arena.allocate(SHAPE.elements() * type.bytes(), Long.BYTES), type, SHAPE);
    }

    private Batch random(ElementType type, long seed) {
        Batch batch = zeros(type);
        double[] values = values(seed, (int) SHAPE.elements());
        if (type == ElementType.FLOAT64) {
            batch.copyFrom(values, 0, 0, values.length);
        } else {
            batch.copyFrom(floats(values), 0, 0, values.length);
        }
        return batch;
    }

    private static double[] values(long seed, int count) {
        Random random = new Random(seed);
        double[] values = new double[count];
        Arrays.setAll(values, i -> random.nextGaussian());
        return values;
    }

    private static float[] floats(double[] values) {
        float[] floats = new float[values.length];
        for (int i = 0; i < floats.length; i++) {
            floats[i] = (float) values[i];
        }
        return floats;
    }

    private static byte[] bytes(Batch batch) {
        return batch.segment().toArray(ValueLayout.JAVA_BYTE);
    }

    private static byte[] bytes(double[] values) {
        return bytes(Batch.of(values, BatchShape.of(1, values.length)));
    }

    private static byte[] bytes(float[] values) {
        return bytes(Batch.of(values, BatchShape.of(1, values.length)));
    }
}

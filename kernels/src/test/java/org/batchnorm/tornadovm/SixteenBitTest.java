package org.batchnorm.tornadovm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.conformance.ErrorBound;
import org.batchnorm.conformance.Quantity;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.spi.Activation;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.types.HalfFloat;
import uk.ac.manchester.tornado.api.types.arrays.BFloat16Array;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.HalfFloatArray;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/** Batches of float16 and bfloat16 in a caller's graph, where the device takes them; refused elsewhere. */
class SixteenBitTest {
    private static final ElementType F32 = ElementType.FLOAT32;
    private static final ElementType F16 = ElementType.FLOAT16;
    private static final ElementType BF16 = ElementType.BFLOAT16;

    private static void assumeTaken() {
        assumeThat(Layers.OWN.takes16Bit())
                .as("a device that takes 16-bit types")
                .isTrue();
    }

    private static DeviceLimits with16Bit(DeviceLimits limits) {
        return limits.with16Bit(true);
    }

    // ---- refusals

    @Test
    void whereTheDeviceTakesNoneTheyAreRefusedByName() {
        BatchNormTasks norm = Layers.layer(BatchShape.of(4, 3), Layers.OWN.with16Bit(false));
        GridScheduler grids = new GridScheduler();
        Pieces pieces = norm.on(new TaskGraph("graph"), grids);
        FloatArray floats = new FloatArray(12);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> pieces.forward(new HalfFloatArray(12), floats))
                .withMessageStartingWith("x: HalfFloatArray given, must be a FloatArray: of TornadoVM 5.2's backends"
                        + " only CUDA compiles kernels that read and store 16-bit types; convert them to float32");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> pieces.backward(floats, new BFloat16Array(12), floats))
                .withMessageStartingWith("dy: BFloat16Array given, must be a FloatArray");
        assertThat(grids.keySet()).isEmpty();
    }

    @Test
    void otherTypesAndTooFewValuesAreRefused() {
        BatchNormTasks norm = Layers.layer(BatchShape.of(4, 3), with16Bit(Layers.OWN));
        GridScheduler grids = new GridScheduler();
        Pieces pieces = norm.on(new TaskGraph("graph"), grids);
        FloatArray floats = new FloatArray(12);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> pieces.inference(floats, new DoubleArray(12)))
                .withMessage("y: DoubleArray given, must be a FloatArray, or on TornadoVM's backend CUDA a"
                        + " HalfFloatArray or a BFloat16Array, as the layer is of FLOAT32; a configuration of FLOAT64 is"
                        + " for DoubleArrays");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> pieces.inference(new HalfFloatArray(11), floats))
                .withMessageContaining("x: an array of 11 values given");
        assertThat(grids.keySet()).isEmpty();
    }

    @Test
    void whatADeviceTakesIsThatOfTornadoVmsBackend() {
        assertThat(Layers.OWN.takes16Bit())
                .isEqualTo(Layers.DEVICE.getTornadoVMBackend().name().equals("CUDA"));
        assertThat(Layers.OWN.withoutLocalMemory().withFastFloat64(true).takes16Bit())
                .isEqualTo(Layers.OWN.takes16Bit());
    }

    // ---- single values

    /** With mean 0, rstd 1, γ 1 and β -0 a map changes nothing. */
    private static void convert(TornadoNativeArray x, TornadoNativeArray y) throws Exception {
        BatchNormTasks norm = Layers.layer(BatchShape.of(x.getSize(), 1), with16Bit(Layers.TWO_STAGES));
        norm.statistics().set(2, 1);
        norm.statistics().set(3, 1);
        norm.parameters().set(1, -0f);
        TaskGraph graph = new TaskGraph("convert").transferToDevice(DataTransferMode.EVERY_EXECUTION, x);
        GridScheduler grids = new GridScheduler();
        norm.on(graph, grids).transform(x, y);
        graph.transferToHost(DataTransferMode.EVERY_EXECUTION, y);
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
            BatchNormTasks.configure(plan, grids, Layers.DEVICE).execute();
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT16", "BFLOAT16"})
    void everyValueIsReadAsItIs(ElementType type) throws Exception {
        assumeTaken();
        TornadoNativeArray x = array(type, 1 << Short.SIZE);
        for (int i = 0; i < x.getSize(); i++) {
            setBits(x, i, (short) i);
        }
        FloatArray y = new FloatArray(x.getSize());
        convert(x, y);
        for (int i = 0; i < x.getSize(); i++) {
            assertThat(y.get(i)).as("%x", i).isEqualTo(Float.valueOf(type.toFloat((short) i)));
        }
    }

    /** Values that the type has, those between two of them, and those just beside these; and values beyond it. */
    @ParameterizedTest
    @EnumSource(names = {"FLOAT16", "BFLOAT16"})
    void valuesAreRoundedToNearestToEvenWhereTwoAreAsNear(ElementType type) throws Exception {
        assumeTaken();
        List<Float> values = new ArrayList<>(List.of(65519.996f, 65520f, 1e30f, Float.MAX_VALUE, 0x1p-25f, 0x1.8p-25f));
        for (int bits = 0; bits < 1 << Short.SIZE; bits += 7) {
            float value = type.toFloat((short) bits);
            float tie = (float) (((double) value + type.toFloat((short) (bits + 1))) / 2);
            values.addAll(List.of(value, tie, Math.nextUp(tie), Math.nextDown(tie)));
        }
        FloatArray x = new FloatArray(values.size());
        for (int i = 0; i < x.getSize(); i++) {
            x.set(i, values.get(i));
        }
        TornadoNativeArray y = array(type, x.getSize());
        convert(x, y);
        for (int i = 0; i < x.getSize(); i++) {
            Float expected = type.toFloat(type.toBits(x.get(i)));
            assertThat(type.toFloat(bits(y, i))).as("%a", x.get(i)).isEqualTo(expected);
        }
    }

    /** The two types meet in one kernel. */
    @Test
    void bfloat16BecomesFloat16AndBack() throws Exception {
        assumeTaken();
        int count = 1 << Short.SIZE;
        TornadoNativeArray brain = array(BF16, count);
        TornadoNativeArray half = array(F16, count);
        for (int i = 0; i < count; i++) {
            setBits(brain, i, (short) i);
        }
        convert(brain, half);
        for (int i = 0; i < count; i++) {
            Float expected = F16.toFloat(F16.toBits(BF16.toFloat((short) i)));
            assertThat(F16.toFloat(bits(half, i))).as("%x", i).isEqualTo(expected);
            setBits(half, i, (short) i);
        }
        convert(half, brain);
        for (int i = 0; i < count; i++) {
            Float expected = BF16.toFloat(BF16.toBits(F16.toFloat((short) i)));
            assertThat(BF16.toFloat(bits(brain, i))).as("%x", i).isEqualTo(expected);
        }
    }

    // ---- training

    static Stream<Arguments> cases() {
        List<BatchShape> shapes = List.of(
                BatchShape.of(300, 40), BatchShape.channelsFirst(4, 3, 31, 33), BatchShape.channelsFirst(30, 8, 3, 3));
        return shapes.stream()
                .flatMap(shape -> Stream.of(Layers.TWO_STAGES, Layers.TWO_STAGES_FLOAT64, Layers.AS_GPU)
                        .flatMap(limits -> Stream.of(
                                Arguments.of(shape, limits, List.of(F16, F16, F16, F16)),
                                Arguments.of(shape, limits, List.of(BF16, F16, BF16, F16)),
                                Arguments.of(shape, limits, List.of(F16, F32, BF16, F16)))));
    }

    /**
     * A training step is within the bar of float32 and half a unit in the last place of each result's type.
     *
     * @param types of x, y, dy and dx
     */
    @ParameterizedTest
    @MethodSource("cases")
    void trainingIsWithinBar(BatchShape shape, DeviceLimits limits, List<ElementType> types) throws Exception {
        assumeTaken();
        BatchNormTasks norm = Layers.layer(shape, with16Bit(limits));
        Layers.randomParameters(norm, 1);
        TornadoNativeArray x = rounded(types.get(0), Layers.gaussian(2, shape.elements(), 0.3, 2));
        TornadoNativeArray dy = rounded(types.get(2), Layers.gaussian(3, shape.elements(), 0.1, 1));
        TornadoNativeArray y = array(types.get(1), x.getSize());
        TornadoNativeArray dx = array(types.get(3), x.getSize());
        TaskGraph graph = new TaskGraph("step").transferToDevice(DataTransferMode.EVERY_EXECUTION, x, dy);
        GridScheduler grids = new GridScheduler();
        Pieces pieces = norm.on(graph, grids);
        pieces.forward(x, y);
        pieces.backward(x, dy, dx);
        graph.transferToHost(DataTransferMode.EVERY_EXECUTION, y, dx);
        run(norm, graph, grids);

        Layers.Expected expected = Layers.Expected.training(norm, shape, floats(x), floats(dy));
        check(Quantity.Y, types.get(1), shape, y, expected.y(), expected.roundedY());
        check(
                Quantity.DX,
                types.get(3),
                shape,
                dx,
                expected.gradients().dx(),
                expected.rounded().dx());
        int c = shape.c();
        Layers.assertWithinBar(
                "dgamma",
                Quantity.DWEIGHT,
                norm.gradients(),
                0,
                expected.gradients().dgamma());
        assertThat(norm.gradients().getSize()).isEqualTo(2 * c);
    }

    /** In place, with activations and a residual: dresidual is what is stored, and dx is made of that. */
    @Test
    void stepsInPlaceWithAResidual() throws Exception {
        assumeTaken();
        BatchShape shape = BatchShape.of(300, 40);
        Activation leaky = Activation.leakyRelu(0.2);
        BatchNormTasks norm = BatchNormTasks.builder("norm", BatchNormConfig.of(shape.c()), shape)
                .activation(leaky)
                .build(with16Bit(Layers.TWO_STAGES));
        Layers.randomParameters(norm, 1);
        TornadoNativeArray x = rounded(F16, Layers.gaussian(2, shape.elements(), 0.3, 2));
        TornadoNativeArray residual = rounded(F16, Layers.gaussian(3, shape.elements(), 0, 1));
        TornadoNativeArray gradient = rounded(BF16, Layers.gaussian(4, shape.elements(), 0.1, 1));
        FloatArray dy = floats(gradient);
        FloatArray added = floats(residual);
        TornadoNativeArray dx = array(F16, x.getSize());
        TaskGraph graph =
                new TaskGraph("step").transferToDevice(DataTransferMode.EVERY_EXECUTION, x, residual, gradient);
        GridScheduler grids = new GridScheduler();
        Pieces pieces = norm.on(graph, grids);
        pieces.forward(x, residual, residual);
        pieces.backward(x, residual, gradient, dx, gradient);
        graph.transferToHost(DataTransferMode.EVERY_EXECUTION, residual, gradient, dx);
        run(norm, graph, grids);

        FloatArray y = floats(residual);
        FloatArray dresidual = floats(gradient);
        for (int i = 0; i < dy.getSize(); i++) {
            assertThat(dresidual.get(i)).isEqualTo(BF16.toFloat(BF16.toBits(leaky.gradient(dy.get(i), y.get(i)))));
        }
        Layers.Expected expected =
                Layers.Expected.training(norm, shape, floats(x), dresidual).withResidual(leaky, added);
        check(Quantity.Y, F16, shape, residual, expected.y(), expected.roundedY());
        check(
                Quantity.DX,
                F16,
                shape,
                dx,
                expected.gradients().dx(),
                expected.rounded().dx());
    }

    private static void run(BatchNormTasks norm, TaskGraph graph, GridScheduler grids) throws Exception {
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
            BatchNormTasks.configure(plan, grids, Layers.DEVICE)
                    .execute()
                    .transferToHost(norm.statistics(), norm.gradients());
        }
    }

    private static void check(
            Quantity quantity,
            ElementType type,
            BatchShape shape,
            TornadoNativeArray actual,
            double[] expected,
            double[] rounding) {
        float[] values = floats(actual).toHeapArray();
        assertThat(ErrorBound.checkEachFeature(quantity, type, shape, values, expected, rounding)
                        .message())
                .isEmpty();
    }

    // ---- arrays

    private static TornadoNativeArray array(ElementType type, int elements) {
        return switch (type) {
            case FLOAT32 -> new FloatArray(elements);
            case FLOAT16 -> new HalfFloatArray(elements);
            case BFLOAT16 -> new BFloat16Array(elements);
            case FLOAT64 -> throw new IllegalArgumentException("FLOAT64");
        };
    }

    private static TornadoNativeArray rounded(ElementType type, FloatArray values) {
        TornadoNativeArray array = array(type, values.getSize());
        for (int i = 0; i < values.getSize(); i++) {
            if (array instanceof FloatArray floats) {
                floats.set(i, values.get(i));
            } else {
                setBits(array, i, type.toBits(values.get(i)));
            }
        }
        return array;
    }

    private static FloatArray floats(TornadoNativeArray array) {
        FloatArray floats = new FloatArray(array.getSize());
        for (int i = 0; i < array.getSize(); i++) {
            floats.set(
                    i,
                    switch (array) {
                        case FloatArray same -> same.get(i);
                        case HalfFloatArray half -> F16.toFloat(bits(half, i));
                        default -> BF16.toFloat(bits(array, i));
                    });
        }
        return floats;
    }

    private static void setBits(TornadoNativeArray array, int index, short bits) {
        if (array instanceof HalfFloatArray half) {
            half.set(index, new HalfFloat(bits));
        } else {
            ((BFloat16Array) array).set(index, bits);
        }
    }

    private static short bits(TornadoNativeArray array, int index) {
        return array instanceof HalfFloatArray half
                ? half.get(index).getHalfFloatValue()
                : ((BFloat16Array) array).get(index);
    }
}

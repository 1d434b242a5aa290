package org.batchnorm.tornadovm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import java.lang.invoke.MethodHandles;
import java.lang.reflect.Method;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.batchnorm.tornadovm.kernels.BackwardOnChip;
import org.batchnorm.tornadovm.kernels.CollectStatistics;
import org.batchnorm.tornadovm.kernels.ForwardOnChip;
import org.batchnorm.tornadovm.kernels.InputGradient;
import org.batchnorm.tornadovm.kernels.ReduceGradients;
import org.batchnorm.tornadovm.kernels.ResidualGradient;
import org.batchnorm.tornadovm.kernels.Tile;
import org.batchnorm.tornadovm.kernels.Transform;
import org.batchnorm.tornadovm.kernels.View;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.types.BFloat16;
import uk.ac.manchester.tornado.api.types.HalfFloat;
import uk.ac.manchester.tornado.api.types.arrays.BFloat16Array;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.HalfFloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/** Kernels for other arrays are the same kernels. They are Java, too, of which one work-item runs here. */
class KernelCopyTest {
    private static final int N = 37;

    /** Kernels and how many of their arrays, the first ones, hold batches. */
    static Stream<Arguments> kernels() {
        return Stream.of(
                Arguments.of(CollectStatistics.class, 1),
                Arguments.of(Transform.class, 3),
                Arguments.of(ForwardOnChip.class, 2),
                Arguments.of(ReduceGradients.class, 2),
                Arguments.of(InputGradient.class, 3),
                Arguments.of(BackwardOnChip.class, 3),
                Arguments.of(ResidualGradient.class, 3));
    }

    /** The JVM's verifier finds no array that is taken for one of another type. */
    @ParameterizedTest
    @MethodSource("kernels")
    void everyKernelHasCopies(Class<?> kernel, int batches) throws Exception {
        Method method = TypedKernel.method(kernel);
        int arrays = (int) Arrays.stream(method.getParameterTypes())
                .filter(FloatArray.class::equals)
                .count();
        List<BatchArray> all = List.of(BatchArray.values());
        for (int first = 0; first < all.size(); first++) {
            List<BatchArray> types = new ArrayList<>();
            for (int i = 0; i < arrays; i++) {
                types.add(i < batches ? all.get((first + i) % all.size()) : BatchArray.FLOAT32);
            }
            Method copy = new KernelCopy(method, types).method();
            assertThat(copy.getName()).isEqualTo(method.getName());
            Class<?> verified = copy.getDeclaringClass();
            assertThat(verified.getName()).isEqualTo(kernel.getName());
            assertThat(verified == kernel).isEqualTo(types.stream().allMatch(BatchArray.FLOAT32::equals));
            MethodHandles.Lookup lookup = MethodHandles.privateLookupIn(verified, MethodHandles.lookup());
            assertThatCode(() -> lookup.ensureInitialized(verified)).doesNotThrowAnyException();
        }
    }

    @Test
    void ofFloat32ItIsTheKernelItself() throws Exception {
        Method method = TypedKernel.method(CollectStatistics.class);
        assertThat(new KernelCopy(method, List.of(BatchArray.FLOAT32)).method()).isEqualTo(method);
    }

    /** From float16 to bfloat16, with a residual of float32, and back. */
    @Test
    void valuesAreWidenedWhereTheyAreReadAndRoundedWhereTheyAreStored() throws Exception {
        Random random = new Random(1);
        HalfFloatArray half = new HalfFloatArray(N);
        FloatArray residual = new FloatArray(N);
        BFloat16Array brain = new BFloat16Array(N);
        FloatArray wide = new FloatArray(N);
        FloatArray y = new FloatArray(N);
        for (int i = 0; i < N; i++) {
            half.set(i, new HalfFloat((float) random.nextGaussian()));
            residual.set(i, (float) random.nextGaussian());
            wide.set(i, half.get(i).getFloat32());
        }
        transform(List.of(BatchArray.FLOAT32, BatchArray.FLOAT32, BatchArray.FLOAT32), wide, residual, y);
        transform(List.of(BatchArray.FLOAT16, BatchArray.FLOAT32, BatchArray.BFLOAT16), half, residual, brain);
        for (int i = 0; i < N; i++) {
            assertThat(brain.get(i)).isEqualTo(BFloat16.bf16FromFloat(y.get(i)));
            wide.set(i, brain.getFloat(i));
        }
        transform(List.of(BatchArray.FLOAT32, BatchArray.FLOAT32, BatchArray.FLOAT32), wide, residual, y);
        transform(List.of(BatchArray.BFLOAT16, BatchArray.FLOAT32, BatchArray.FLOAT16), brain, residual, half);
        for (int i = 0; i < N; i++) {
            assertThat(half.get(i).getHalfFloatValue()).isEqualTo(Float.floatToFloat16(y.get(i)));
        }
    }

    private static void transform(List<BatchArray> types, Object x, Object residual, Object y) throws Exception {
        List<BatchArray> all = new ArrayList<>(types);
        all.addAll(List.of(BatchArray.FLOAT32, BatchArray.FLOAT32));
        IntArray samples = IntArray.fromElements(N, 0);
        new KernelCopy(TypedKernel.method(Transform.class), all)
                .method()
                .invoke(
                        null,
                        new KernelContext(),
                        x,
                        residual,
                        y,
                        FloatArray.fromElements(1.25f, 0.5f),
                        FloatArray.fromElements(0.125f, 0, 1, 0.9f),
                        samples,
                        View.contiguous(1, 1),
                        Tile.sharedBy(1, 1, 1),
                        Transform.BATCH,
                        Transform.RESIDUAL,
                        1e-5,
                        1f,
                        0.25f);
        assertThat(samples.get(1)).as("kernels that ran").isEqualTo(1);
    }

    @Test
    void wrongArgumentsAreSeen() {
        assertThatIllegalStateException()
                .isThrownBy(() -> TypedKernel.addTask(
                        new TaskGraph("graph"), "task", CollectStatistics.class, new KernelContext(), 7))
                .withMessageContaining("collectStatistics");
    }
}

package org.batchnorm.pytorch;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Random;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.AbstractTensor;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.Device;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorArrayRefOptional;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** The layer in autograd's graph, beside {@code torch.batch_norm}. */
class TensorBatchNormTest {
    private static final double TOLERANCE = 2e-5;

    private PointerScope scope;

    @BeforeEach
    void openScope() {
        scope = new PointerScope();
    }

    @AfterEach
    void closeScope() {
        scope.close();
    }

    private static Tensor normal(long seed, long... shape) {
        Random random = new Random(seed);
        long values = 1;
        for (long extent : shape) {
            values *= extent;
        }
        float[] data = new float[(int) values];
        for (int i = 0; i < data.length; i++) {
            data[i] = (float) (0.5 + 1.5 * random.nextGaussian());
        }
        return AbstractTensor.create(data, shape);
    }

    private static Tensor leaf(Tensor values) {
        Tensor leaf = values.detach();
        leaf.requires_grad_();
        return leaf;
    }

    private static float[] floats(Tensor tensor) {
        Tensor contiguous = tensor.detach().toType(ScalarType.Float).contiguous();
        float[] values = new float[(int) contiguous.numel()];
        new FloatPointer(contiguous.data_ptr_float()).get(values);
        return values;
    }

    private static void assertClose(Tensor actual, Tensor expected, String what) {
        assertClose(actual, expected, TOLERANCE, what);
    }

    private static void assertClose(Tensor actual, Tensor expected, double tolerance, String what) {
        assertThat(MemoryOrder.extents(actual)).as(what).isEqualTo(MemoryOrder.extents(expected));
        float[] given = floats(actual);
        float[] right = floats(expected);
        double scale = 1;
        for (float value : right) {
            scale = Math.max(scale, Math.abs(value));
        }
        for (int i = 0; i < right.length; i++) {
            assertThat((double) given[i]).as("%s[%d]", what, i).isCloseTo(right[i], within(tolerance * scale));
        }
    }

    private static void backward(Tensor loss, boolean retainGraph, boolean createGraph) {
        loss.backward(new Tensor(), new BoolOptional(retainGraph), createGraph, new TensorArrayRefOptional());
    }

    /** PyTorch's own, with parameters and statistics of its own. */
    private static final class Own {
        final Tensor weight;
        final Tensor bias;
        final Tensor runningMean;
        final Tensor runningVar;

        Own(int features) {
            weight = leaf(torch.ones(features));
            bias = leaf(torch.zeros(features));
            runningMean = torch.zeros(features);
            runningVar = torch.ones(features);
        }

        Tensor forward(Tensor x, boolean training) {
            return torch.batch_norm(
                    x,
                    new TensorOptional(weight),
                    new TensorOptional(bias),
                    new TensorOptional(runningMean),
                    new TensorOptional(runningVar),
                    training,
                    0.1,
                    1e-5,
                    false);
        }
    }

    @SuppressWarnings("try") // the guard holds while it is open
    private static void step(Tensor parameter, double learningRate) {
        try (NoGradGuard guard = new NoGradGuard()) {
            parameter.sub_(parameter.grad().mul(new Scalar(learningRate)));
            parameter.mutable_grad().zero_();
        }
    }

    /** A network of two linear maps with the normalization between them. */
    @Test
    void twentyStepsAreTorchs() {
        Own own = new Own(9);
        try (TensorBatchNorm ours = new TensorBatchNorm(9)) {
            Tensor w1 = leaf(normal(1, 6, 9));
            Tensor w2 = leaf(normal(2, 9, 3));
            Tensor ourW1 = leaf(w1.clone());
            Tensor ourW2 = leaf(w2.clone());
            for (int i = 0; i < 20; i++) {
                Tensor x = normal(10 + i, 16, 6);
                Tensor loss = own.forward(x.matmul(w1), true).relu().matmul(w2);
                loss.mul(loss).mean().backward();
                Tensor ourLoss = ours.forward(x.matmul(ourW1)).relu().matmul(ourW2);
                ourLoss.mul(ourLoss).mean().backward();
                assertClose(ourLoss, loss, "output");
                assertClose(ourW1.grad(), w1.grad(), "gradient of the weights before");
                assertClose(ours.weight().grad(), own.weight.grad(), "weight.grad");
                assertClose(ours.bias().grad(), own.bias.grad(), "bias.grad");
                Stream.of(w1, w2, own.weight, own.bias).forEach(parameter -> step(parameter, 0.02));
                Stream.of(ourW1, ourW2, ours.weight(), ours.bias()).forEach(parameter -> step(parameter, 0.02));
            }
            assertClose(ours.weight(), own.weight, "weight");
            assertClose(ours.bias(), own.bias, "bias");
            assertClose(ours.runningMean(), own.runningMean, "runningMean");
            assertClose(ours.runningVar(), own.runningVar, "runningVar");
            assertThat(ours.numBatchesTracked()).isEqualTo(20);
            assertThat(floats(own.weight)).as("it has learned").isNotEqualTo(floats(torch.ones(9)));
            ours.train(false);
            assertThat(ours.isTraining()).isFalse();
            Tensor x = normal(99, 5, 9);
            assertClose(ours.forward(x), own.forward(x, false), "inference");
        }
    }

    static Stream<Arguments> inputs() {
        return Stream.of(
                input("rows", () -> normal(1, 12, 3)),
                input("columns", () -> normal(1, 3, 12).transpose(0, 1)),
                input("sequences", () -> normal(1, 4, 3, 7)),
                input("images", () -> normal(1, 4, 3, 5, 6)),
                input("channels last", () -> normal(1, 4, 5, 6, 3).permute(0, 3, 1, 2)),
                input("width before height", () -> normal(1, 4, 3, 6, 5).permute(0, 1, 3, 2)),
                input("channels outermost", () -> normal(1, 3, 4, 5, 6).permute(1, 0, 2, 3)),
                input("volumes", () -> normal(1, 2, 3, 4, 3, 2)),
                input("one sample", () -> normal(1, 1, 3, 5, 6)),
                input("a part", () -> normal(1, 20, 3).narrow(0, 5, 12)),
                input("with gaps", () -> normal(1, 4, 9, 5, 6).narrow(1, 2, 3)),
                input("repeated", () -> normal(1, 1, 3, 5, 6).expand(4, 3, 5, 6)));
    }

    private static Arguments input(String name, Supplier<Tensor> values) {
        return Arguments.of(name, values);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("inputs")
    void anyMemoryOrder(String name, Supplier<Tensor> values) {
        for (boolean training : new boolean[] {true, false}) {
            Own own = new Own(3);
            try (TensorBatchNorm ours = new TensorBatchNorm(3)) {
                ours.train(training);
                Tensor base = leaf(values.get());
                Tensor ourBase = leaf(values.get());
                Tensor y = own.forward(base, training);
                Tensor ourY = ours.forward(ourBase);
                assertClose(ourY, y, name + ": y");
                boolean dense = ourBase.is_non_overlapping_and_dense();
                assertThat(!dense || MemoryOrder.of(ourBase).isThatOf(ourY))
                        .as("y lies as x does")
                        .isTrue();
                // Gradients of another memory order, too.
                Tensor dy = normal(2, MemoryOrder.extents(y));
                y.mul(dy).sum().backward();
                ourY.mul(dy).sum().backward();
                assertClose(ourBase.grad(), base.grad(), name + ": dx");
                assertClose(ours.weight().grad(), own.weight.grad(), name + ": weight.grad");
                assertClose(ours.bias().grad(), own.bias.grad(), name + ": bias.grad");
                assertClose(ours.runningVar(), own.runningVar, name + ": runningVar");
            }
        }
    }

    static Stream<Arguments> inputsOf16Bits() {
        return Stream.of(ScalarType.BFloat16, ScalarType.Half)
                .flatMap(type -> inputs().map(each -> Arguments.of(type, each.get()[0], each.get()[1])));
    }

    /** What PyTorch computes in float32 from the same values, rounded: half a unit in the last place. */
    @ParameterizedTest(name = "{0} {1}")
    @MethodSource("inputsOf16Bits")
    void tensorsOf16Bits(ScalarType type, String name, Supplier<Tensor> values) {
        double halfAUnit = type == ScalarType.BFloat16 ? 0x1p-8 : 0x1p-11;
        Own own = new Own(3);
        try (TensorBatchNorm ours = new TensorBatchNorm(3)) {
            Tensor ourX = leaf(values.get().toType(type));
            Tensor x = leaf(ourX.toType(ScalarType.Float));
            Tensor ourY = ours.forward(ourX);
            Tensor y = own.forward(x, true);
            assertThat(ourY.scalar_type().intern()).isEqualTo(type);
            assertClose(ourY, y, halfAUnit, name + ": y");
            Tensor dy = normal(2, MemoryOrder.extents(y)).toType(type);
            ourY.mul(dy).sum().backward();
            y.mul(dy.toType(ScalarType.Float)).sum().backward();
            assertThat(ourX.grad().scalar_type().intern()).isEqualTo(type);
            assertClose(ourX.grad(), x.grad(), halfAUnit, name + ": dx");
            assertThat(ours.weight().grad().scalar_type().intern()).isEqualTo(ScalarType.Float);
            assertClose(ours.weight().grad(), own.weight.grad(), name + ": weight.grad");
            assertClose(ours.bias().grad(), own.bias.grad(), name + ": bias.grad");
            assertClose(ours.runningMean(), own.runningMean, name + ": runningMean");
            assertClose(ours.runningVar(), own.runningVar, name + ": runningVar");
        }
    }

    /**
     * The same network in bfloat16, with the layers' parameters in float32: as close to PyTorch's as its rounding lets
     * it be.
     */
    @Test
    void twentyStepsInBfloat16AreTorchs() {
        Own own = new Own(9);
        try (TensorBatchNorm ours = new TensorBatchNorm(9)) {
            Tensor w1 = leaf(normal(1, 6, 9).toType(ScalarType.BFloat16));
            Tensor ourW1 = leaf(w1.clone());
            for (int i = 0; i < 20; i++) {
                Tensor x = normal(10 + i, 16, 6).toType(ScalarType.BFloat16);
                Tensor dy = normal(50 + i, 16, 9).toType(ScalarType.BFloat16);
                own.forward(x.matmul(w1), true).mul(dy).sum().backward();
                ours.forward(x.matmul(ourW1)).mul(dy).sum().backward();
                assertClose(ourW1.grad(), w1.grad(), 0x1p-6, "gradient of the weights before");
                assertClose(ours.weight().grad(), own.weight.grad(), 0x1p-6, "weight.grad");
                assertClose(ours.bias().grad(), own.bias.grad(), 0x1p-6, "bias.grad");
                Stream.of(own.weight, own.bias).forEach(parameter -> step(parameter, 0.02));
                Stream.of(ours.weight(), ours.bias()).forEach(parameter -> step(parameter, 0.02));
                w1.mutable_grad().zero_();
                ourW1.mutable_grad().zero_();
            }
            assertClose(ours.weight(), own.weight, 0x1p-6, "weight");
            assertClose(ours.runningMean(), own.runningMean, 1e-4, "runningMean");
            assertClose(ours.runningVar(), own.runningVar, 1e-4, "runningVar");
        }
    }

    @Test
    void parametersAreFloat32() {
        try (TensorBatchNorm ours = new TensorBatchNorm(3)) {
            ours.runningMean().set_data(torch.zeros(3).toType(ScalarType.BFloat16));
            refused(ours, normal(1, 12, 3), "runningMean: a tensor of type BFloat16 given, must be of Float (float32)");
        }
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("inputs")
    @SuppressWarnings("try") // the guard holds while it is open
    void withoutGradients(String name, Supplier<Tensor> values) {
        Own own = new Own(3);
        int living = BackwardHook.living();
        try (TensorBatchNorm ours = new TensorBatchNorm(3);
                NoGradGuard guard = new NoGradGuard()) {
            Tensor x = values.get();
            Tensor before = x.clone();
            Tensor y = ours.forward(x);
            assertClose(y, own.forward(x, true), name);
            assertThat(y.requires_grad()).isFalse();
            assertThat(floats(x)).isEqualTo(floats(before));
        }
        assertThat(BackwardHook.living()).isEqualTo(living);
    }

    @Test
    void parametersLearnWhereTheInputNeedsNoGradient() {
        Own own = new Own(3);
        try (TensorBatchNorm ours = new TensorBatchNorm(3)) {
            Tensor x = normal(1, 12, 3);
            Tensor dy = normal(2, 12, 3);
            own.forward(x, true).mul(dy).sum().backward();
            ours.forward(x).mul(dy).sum().backward();
            assertClose(ours.weight().grad(), own.weight.grad(), "weight.grad");
            assertThat(x.grad().defined()).isFalse();
        }
    }

    @Test
    void frozenParametersGetNoGradient() {
        try (TensorBatchNorm ours = new TensorBatchNorm(3)) {
            ours.weight().requires_grad_(false);
            Tensor x = leaf(normal(1, 12, 3));
            ours.forward(x).mul(normal(2, 12, 3)).sum().backward();
            assertThat(ours.weight().grad().defined()).isFalse();
            assertThat(ours.bias().grad().defined()).isTrue();
            assertThat(x.grad().defined()).isTrue();
        }
    }

    @Test
    void severalForwardsBeforeTheirBackwardsAddGradients() {
        Own own = new Own(3);
        try (TensorBatchNorm ours = new TensorBatchNorm(3)) {
            Tensor first = leaf(normal(1, 12, 3));
            Tensor second = leaf(normal(2, 12, 3));
            Tensor dy = normal(3, 12, 3);
            Tensor ourY = ours.forward(first);
            Tensor ourOther = ours.forward(second);
            ourY.mul(dy).sum().backward();
            ourOther.mul(dy).sum().backward();
            Tensor ownFirst = leaf(first);
            Tensor ownSecond = leaf(second);
            own.forward(ownFirst, true).mul(dy).sum().backward();
            own.forward(ownSecond, true).mul(dy).sum().backward();
            assertClose(first.grad(), ownFirst.grad(), "dx of the first");
            assertClose(second.grad(), ownSecond.grad(), "dx of the second");
            assertClose(ours.weight().grad(), own.weight.grad(), "weight.grad");
        }
    }

    @Test
    void theResultMayBeChangedInPlace() {
        Own own = new Own(3);
        try (TensorBatchNorm ours = new TensorBatchNorm(3)) {
            for (Tensor values :
                    new Tensor[] {normal(1, 4, 3, 5, 6), normal(1, 4, 5, 6, 3).permute(0, 3, 1, 2)}) {
                Tensor x = leaf(values);
                Tensor ourX = leaf(values);
                own.forward(x, true).relu_().mul(values).sum().backward();
                ours.forward(ourX).relu_().mul(values).sum().backward();
                assertClose(ourX.grad(), x.grad(), "dx");
            }
        }
    }

    /** A step between forward and backward: the gradient is that of the weight with which y was computed. */
    @Test
    @SuppressWarnings("try") // the guard holds while it is open
    void theWeightMayChangeBeforeTheBackward() {
        Own own = new Own(3);
        try (TensorBatchNorm ours = new TensorBatchNorm(3)) {
            Tensor x = leaf(normal(1, 12, 3));
            Tensor ourX = leaf(normal(1, 12, 3));
            Tensor dy = normal(2, 12, 3);
            own.forward(x, true).mul(dy).sum().backward();
            Tensor loss = ours.forward(ourX).mul(dy).sum();
            try (NoGradGuard guard = new NoGradGuard()) {
                ours.weight().mul_(new Scalar(2f));
            }
            loss.backward();
            assertClose(ourX.grad(), x.grad(), "dx");
        }
    }

    @Test
    void aSecondBackwardAndSecondDerivativesAreRefused() {
        try (TensorBatchNorm ours = new TensorBatchNorm(3)) {
            Tensor loss =
                    ours.forward(leaf(normal(1, 12, 3))).mul(normal(2, 12, 3)).sum();
            backward(loss, true, false);
            float[] gradient = floats(ours.weight().grad());
            assertThatThrownBy(() -> backward(loss, true, false))
                    .isInstanceOf(RuntimeException.class)
                    .hasMessageContaining("the second one through the same forward");
            assertThat(floats(ours.weight().grad())).isEqualTo(gradient);

            Tensor y = ours.forward(leaf(normal(1, 12, 3)));
            Tensor square = y.mul(y).sum();
            assertThatThrownBy(() -> backward(square, true, true))
                    .isInstanceOf(RuntimeException.class)
                    .hasMessageContaining("create_graph");
        }
    }

    @Test
    @SuppressWarnings("try") // the guard holds while it is open
    void anInputThatWasChangedIsRefused() {
        try (TensorBatchNorm ours = new TensorBatchNorm(3)) {
            Tensor x = leaf(normal(1, 12, 3));
            Tensor loss = ours.forward(x).mul(normal(2, 12, 3)).sum();
            try (NoGradGuard guard = new NoGradGuard()) {
                x.add_(new Scalar(1f));
            }
            assertThatThrownBy(loss::backward)
                    .isInstanceOf(RuntimeException.class)
                    .hasMessageContaining("x: changed in place");
        }
    }

    @Test
    void whatIsNotSupportedIsRefusedByName() {
        try (TensorBatchNorm ours = new TensorBatchNorm(3)) {
            for (ScalarType type : new ScalarType[] {ScalarType.Double, ScalarType.Float8_e4m3fn, ScalarType.Long}) {
                refused(ours, normal(1, 12, 3).toType(type), "x: a tensor of type " + type);
            }
            refused(ours, normal(1, 12, 3).to_sparse(), "x: a tensor of layout Sparse");
            refused(ours, new Tensor(), "x: an undefined tensor");
            refused(ours, normal(1, 12, 4), "x: shape [12, 4] given, must be (N, 3)");
            refused(ours, normal(1, 12), "x: shape [12] given");
            refused(ours, normal(1, 1, 3), "more than 1 value per feature");
            assertThat(ours.numBatchesTracked()).isZero();
            assertThat(floats(ours.runningMean())).isEqualTo(new float[3]);
        }
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new TensorBatchNorm(3, 1e-5, 1.5))
                .withMessageContaining("momentum: 1.5 given");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new TensorBatchNorm(3, 0, 0.1))
                .withMessageContaining("eps");
    }

    private static void refused(TensorBatchNorm layer, Tensor x, String message) {
        assertThatIllegalArgumentException().isThrownBy(() -> layer.forward(x)).withMessageContaining(message);
    }

    @Test
    void tensorsOfOtherDevicesAreRefused() {
        Tensor elsewhere = normal(1, 12, 3).to(new Device("meta"), ScalarType.Float);
        try (TensorBatchNorm ours = new TensorBatchNorm(3)) {
            refused(ours, elsewhere, "x: a tensor on the device meta given, must be on the CPU");
        }
    }

    @Test
    void aBatchWithoutValuesChangesNothing() {
        try (TensorBatchNorm ours = new TensorBatchNorm(3)) {
            Tensor y = ours.forward(leaf(torch.empty(0, 3)));
            assertThat(MemoryOrder.extents(y)).containsExactly(0, 3);
            y.sum().backward();
            assertThat(floats(ours.runningVar())).containsExactly(1, 1, 1);
            assertThat(ours.numBatchesTracked()).isEqualTo(1);
        }
    }

    @Test
    void aClosedLayerIsRefused() {
        TensorBatchNorm ours = new TensorBatchNorm(3);
        Tensor loss = ours.forward(leaf(normal(1, 12, 3))).sum();
        ours.close();
        ours.close();
        assertThatIllegalStateException()
                .isThrownBy(() -> ours.forward(normal(1, 12, 3)))
                .withMessageContaining("closed");
        assertThatThrownBy(loss::backward).hasMessageContaining("closed");
    }

    /** Hooks end with their graphs: not before, and not long after. */
    @Test
    @SuppressWarnings("try") // the scopes free what is made within them
    void nothingStaysWhenTheGraphIsGone() {
        try (TensorBatchNorm ours = new TensorBatchNorm(3)) {
            Tensor kept = null;
            for (int i = 0; i < 200; i++) {
                try (PointerScope step = new PointerScope()) {
                    Tensor x = leaf(normal(i, 12, 3));
                    Tensor y = ours.forward(x);
                    if (i == 50) {
                        kept = TensorBatchNorm.owned(() -> y.mul(y).sum());
                    } else if (i % 3 > 0) { // some never run backward
                        y.sum().backward();
                    }
                }
                if (i % 10 == 0) {
                    System.gc();
                }
            }
            ours.forward(leaf(normal(1, 12, 3)));
            assertThat(BackwardHook.living()).isLessThanOrEqualTo(4);
            kept.backward();
        }
    }

    @Test
    @SuppressWarnings("try") // the scope frees what is made within it
    void theResultLivesAsLongAsTheCallersScope() {
        try (TensorBatchNorm ours = new TensorBatchNorm(3)) {
            Tensor y;
            try (PointerScope inner = new PointerScope()) {
                y = ours.forward(normal(1, 12, 3));
                assertThat(y.defined()).isTrue();
                assertThat(y.use_count()).isOne();
            }
            assertThat(y.isNull()).isTrue();
            assertThat(ours.weight().isNull()).isFalse();
        }
    }
}

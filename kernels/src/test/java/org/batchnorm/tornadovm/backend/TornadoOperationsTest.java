package org.batchnorm.tornadovm.backend;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.batchnorm.BatchNorm;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.Activation;
import org.batchnorm.spi.Activations;
import org.batchnorm.spi.BackendOptions;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.DeviceInfo;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Moments;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;
import org.batchnorm.tornadovm.DeviceLimits;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;

/** What is particular to this backend's operations: devices, buffers that need no copy, limits, the end. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class TornadoOperationsTest {
    private static final BatchShape SHAPE = BatchShape.of(37, 5);
    private static final float[] GAMMA = {1, 2, 3, 4, 5};
    private static final float[] BETA = {5, 4, 3, 2, 1};

    private BatchNormOperations operations;

    @BeforeAll
    void open() {
        operations = open(Optional.empty());
    }

    @AfterAll
    void close() {
        operations.close();
    }

    private static BatchNormOperations open(Optional<String> device) {
        return new TornadoBackend().open(new BackendOptions(1, device));
    }

    private static float[] random(long seed) {
        Random random = new Random(seed);
        float[] values = new float[(int) SHAPE.elements()];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }

    // ---- devices

    @Test
    void devicesAreListedAndOpenedById() {
        DeviceInfo device = new TornadoBackend().devices().getFirst();
        assertThat(device.id()).isEqualTo("0:0");
        assertThat(device.description()).contains("GiB");
        assertThat(device.availability().usable()).isTrue();
        try (BatchNormOperations chosen = open(Optional.of("0:0"))) {
            Batch y = batch(random(0));
            chosen.forward(new Tensors().forward(batch(random(1)), y), normalization());
            assertThat(y.array()).isEqualTo(forward(random(1)));
        }
    }

    @Test
    void anUnknownDeviceIsAnErrorThatListsTheOthers() {
        assertThatThrownBy(() -> open(Optional.of("7:3")))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("7:3")
                .hasMessageContaining("0:0");
    }

    @Test
    void autoLeavesHostDataToTheCpuUnlessToldOtherwise() {
        TornadoBackend backend = new TornadoBackend();
        assertThat(backend.automatic().usable()).isFalse();
        assertThat(backend.automatic().remedy()).contains(TornadoBackend.MINIMUM_ELEMENTS_PROPERTY);
        assertThat(operations.prefers(BatchShape.of(1_000_000, 1000))).isFalse();
        System.setProperty(TornadoBackend.MINIMUM_ELEMENTS_PROPERTY, "1000");
        try {
            boolean accelerator = backend.devices().stream()
                    .anyMatch(device -> !device.description().contains("CPU"));
            assertThat(backend.automatic().usable()).isEqualTo(accelerator);
            try (BatchNormOperations told = open(Optional.empty())) {
                assertThat(told.prefers(BatchShape.of(10, 100))).isTrue();
                assertThat(told.prefers(BatchShape.of(9, 100))).isFalse();
                assertThat(told.prefers(BatchShape.of(Integer.MAX_VALUE, 2))).isFalse();
            }
            System.setProperty(TornadoBackend.MINIMUM_ELEMENTS_PROPERTY, "-3");
            assertThat(backend.automatic().usable()).isFalse();
            assertThatThrownBy(() -> open(Optional.empty()))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("-3");
        } finally {
            System.clearProperty(TornadoBackend.MINIMUM_ELEMENTS_PROPERTY);
        }
    }

    @Test
    void aRateOfFloat64ThatIsNoneIsRefusedBeforeThereAreData() {
        Optional<String> before = Optional.ofNullable(System.getProperty(DeviceLimits.FLOAT64_PROPERTY));
        System.setProperty(DeviceLimits.FLOAT64_PROPERTY, "half");
        try {
            assertThatThrownBy(() -> open(Optional.empty()))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("-Dorg.batchnorm.tornadovm.float64: \"half\" given, must be fast or slow");
        } finally {
            before.ifPresentOrElse(
                    value -> System.setProperty(DeviceLimits.FLOAT64_PROPERTY, value),
                    () -> System.clearProperty(DeviceLimits.FLOAT64_PROPERTY));
        }
    }

    // ---- limits

    @Test
    void moreValuesThanAnIntCountsAreAnErrorThatSaysTheLimit() {
        BatchShape shape = BatchShape.of(1 << 20, 1 << 12);
        Batch pretended = pretended(shape);
        Normalization normalization = new Normalization(null, null, 1e-5, new BatchStatistics(1 << 12), true);
        Moments moments = new Moments(1 << 12);
        moments.mean()[5] = 7;
        GradientSums sums = new GradientSums(1 << 12);
        sums.dbeta()[5] = 7;
        Tensors forward = new Tensors().forward(pretended, pretended);
        Tensors backward = new Tensors().backward(pretended, pretended, pretended);
        List<ThrowingCallable> all = List.of(
                () -> operations.requireTaken(forward),
                () -> operations.collectStatistics(forward, moments),
                () -> operations.transform(forward, normalization),
                () -> operations.forward(forward, normalization),
                () -> operations.reduceGradients(backward, normalization, sums),
                () -> operations.inputGradient(backward, normalization, sums),
                () -> operations.backward(backward, normalization, sums));
        for (ThrowingCallable operation : all) {
            assertThatThrownBy(operation)
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("4294967296")
                    .hasMessageContaining("at most 213");
            assertThat(moments.mean()[5]).isEqualTo(7);
            assertThat(sums.dbeta()[5]).isEqualTo(7);
        }
    }

    @SuppressWarnings("restricted") // memory that is not there and not looked at
    private static Batch pretended(BatchShape shape) {
        return Batch.of(MemorySegment.ofAddress(64).reinterpret(shape.bytes()), shape);
    }

    @Test
    void afterABatchThatIsTooLargeTheForwardBeforeItHasItsBackward() {
        Batch tooLarge = pretended(BatchShape.of(1 << 29, 5));
        Batch x = batch(random(5));
        Batch dx = batch(random(0));
        try (BatchNorm layer = BatchNorm.builder(5).backend(TornadoBackend.NAME).build()) {
            layer.forward(x, batch(random(0)));
            assertThatThrownBy(() -> layer.forward(tooLarge, tooLarge)).hasMessageContaining("at most 213");
            layer.backward(x, batch(random(6)), dx);
            assertThat(dx.array()).isNotEqualTo(random(0));
        }
    }

    @Test
    void afterCloseNothingRuns() {
        BatchNormOperations closed = open(Optional.empty());
        closed.close();
        closed.close();
        assertThatThrownBy(() ->
                        closed.forward(new Tensors().forward(batch(random(1)), batch(random(2))), normalization()))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("closed");
        assertThat(forward(random(1))).as("the others go on").isNotEqualTo(random(1));
    }

    @Test
    void anInterruptedThreadGetsItsResultAndKeepsTheInterrupt() {
        float[] expected = forward(random(1));
        Thread.currentThread().interrupt();
        float[] y = forward(random(1));
        assertThat(Thread.interrupted()).isTrue();
        assertThat(y).isEqualTo(expected);
    }

    // ---- buffers

    @Test
    void buffersGiveTheSameBitsAsCopies() {
        Batch x = batch(random(3));
        Batch dy = batch(random(4));
        Batch y = batch(random(0));
        Batch dx = batch(random(0));
        Normalization normalization = normalization();
        GradientSums sums = new GradientSums(5);
        Tensors tensors = new Tensors();
        operations.forward(tensors.forward(x, y), normalization);
        operations.backward(tensors.backward(x, dy, dx), normalization, sums);
        Normalization again = normalization();
        GradientSums sumsAgain = new GradientSums(5);
        try (TransferBuffer bufferX = TransferBuffer.allocate(SHAPE);
                TransferBuffer bufferY = TransferBuffer.allocate(SHAPE);
                TransferBuffer bufferDy = TransferBuffer.allocate(SHAPE)) {
            fill(bufferX, x.array());
            fill(bufferDy, dy.array());
            operations.forward(tensors.forward(batch(bufferX), batch(bufferY)), again);
            assertThat(values(bufferY)).isEqualTo(y.array());
            assertThat(values(bufferX)).isEqualTo(x.array());
            assertThat(again.statistics().rstd())
                    .isEqualTo(normalization.statistics().rstd());
            // In place, and into memory of another kind.
            operations.backward(tensors.backward(batch(bufferX), batch(bufferDy), batch(bufferDy)), again, sumsAgain);
            assertThat(values(bufferDy)).isEqualTo(dx.array());
            assertThat(sumsAgain.dgamma()).isEqualTo(sums.dgamma());
            Batch heapY = batch(random(0));
            operations.forward(tensors.forward(batch(bufferX), heapY), again);
            assertThat(heapY.array()).isEqualTo(y.array());
        }
    }

    /** The same with a residual: y in its place, dresidual in that of dy, and dx in that of x. */
    @Test
    void buffersWithAResidual() {
        Batch x = batch(random(2));
        Batch residual = batch(random(4));
        Batch dy = batch(random(3));
        Batch y = batch(random(0));
        Batch dx = batch(random(0));
        Batch dresidual = batch(random(0));
        GradientSums sums = new GradientSums(5);
        Tensors tensors = new Tensors(Activations.NONE.withOutput(Activation.leakyRelu(0.1)));
        Normalization normalization = normalization();
        operations.forward(tensors.forward(x, y).withResidual(residual, null), normalization);
        operations.backward(tensors.backward(x, y, dy, dx, dresidual), normalization, sums);
        GradientSums sumsAgain = new GradientSums(5);
        try (TransferBuffer bufferX = TransferBuffer.allocate(SHAPE);
                TransferBuffer bufferY = TransferBuffer.allocate(SHAPE);
                TransferBuffer bufferDy = TransferBuffer.allocate(SHAPE)) {
            fill(bufferX, x.array());
            fill(bufferY, residual.array());
            fill(bufferDy, dy.array());
            Batch yInResidual = batch(bufferY);
            operations.forward(
                    tensors.forward(batch(bufferX), yInResidual).withResidual(yInResidual, null), normalization);
            assertThat(values(bufferY)).isEqualTo(y.array());
            assertThat(values(bufferX)).isEqualTo(x.array());
            operations.backward(
                    tensors.backward(batch(bufferX), yInResidual, batch(bufferDy), batch(bufferX), batch(bufferDy)),
                    normalization,
                    sumsAgain);
            assertThat(values(bufferX)).isEqualTo(dx.array());
            assertThat(values(bufferDy)).isEqualTo(dresidual.array());
            assertThat(values(bufferY)).isEqualTo(y.array());
            assertThat(sumsAgain.dgamma()).isEqualTo(sums.dgamma());
        }
    }

    /**
     * The arrays that a plan sends to the device and fills from it are the caller's buffers themselves; other memory
     * has arrays of the plan's own between.
     */
    @Test
    void buffersAreNotCopied() {
        RecordedPlans plans = new RecordedPlans();
        try (TransferBuffer x = TransferBuffer.allocate(SHAPE);
                TransferBuffer y = TransferBuffer.allocate(SHAPE);
                TornadoOperations direct = plans.open()) {
            fill(x, random(3));
            Normalization given =
                    new Normalization(GAMMA, BETA, 1e-5, BatchStatistics.over(new float[5], GAMMA), false);
            direct.transform(new Tensors().forward(batch(x), batch(y)), given);
            HostPlan plan = plans.built.getLast();
            assertThat(plan.x().address()).isEqualTo(x.segment().address());
            assertThat(plan.out().address()).isEqualTo(y.segment().address());
            float[] expected = values(y);

            Batch heapX = batch(random(3));
            direct.transform(new Tensors().forward(heapX, heapX), given);
            assertThat(heapX.array()).isEqualTo(expected);
            assertThat(plans.built).as("a plan of its own").hasSize(2);
            assertThat(plans.built.getLast().x().address())
                    .isNotEqualTo(x.segment().address());
        }
    }

    /** A plan writes the whole buffer of its output. */
    @Test
    void anInputBehindTheOutputInItsBufferIsNotLost() {
        float[] x = random(4);
        float[] expected = forward(x);
        try (TransferBuffer buffer = TransferBuffer.allocate(BatchShape.of(2 * SHAPE.n(), 5))) {
            MemorySegment behind = buffer.segment().asSlice(SHAPE.bytes(), SHAPE.bytes());
            MemorySegment.copy(x, 0, behind, ValueLayout.JAVA_FLOAT, 0, x.length);
            operations.forward(new Tensors().forward(Batch.of(behind, SHAPE), batch(buffer)), normalization());
            assertThat(values(buffer)).isEqualTo(expected);
            assertThat(behind.toArray(ValueLayout.JAVA_FLOAT)).isEqualTo(x);
        }
    }

    @Test
    void aBufferFitsSmallerBatchesAndIsCopiedForLargerOnes() {
        try (TransferBuffer buffer = TransferBuffer.allocate(SHAPE)) {
            assertThat(buffer.segment().byteSize()).isGreaterThanOrEqualTo(SHAPE.bytes());
            assertThat(buffer.segment().address() % 64).isZero();
            assertThat(TransferBuffer.of(buffer.segment(), SHAPE.bytes())).isSameAs(buffer);
            assertThat(TransferBuffer.of(buffer.segment(), 1L << 30)).isNull();
            assertThat(TransferBuffer.of(buffer.segment().asSlice(4), 1)).isNull();
            assertThat(TransferBuffer.of(MemorySegment.ofArray(new float[4]), 4))
                    .isNull();
        }
    }

    private float[] forward(float[] x) {
        float[] y = new float[x.length];
        operations.forward(new Tensors().forward(batch(x), batch(y)), normalization());
        return y;
    }

    private static Normalization normalization() {
        return new Normalization(GAMMA, BETA, 1e-5, new BatchStatistics(5), true);
    }

    private static Batch batch(float[] values) {
        return Batch.of(values, SHAPE);
    }

    private static Batch batch(TransferBuffer buffer) {
        return Batch.of(buffer.segment(), SHAPE);
    }

    private static void fill(TransferBuffer buffer, float[] values) {
        MemorySegment.copy(values, 0, buffer.segment(), ValueLayout.JAVA_FLOAT, 0, values.length);
    }

    private static float[] values(TransferBuffer buffer) {
        return buffer.segment().asSlice(0, SHAPE.bytes()).toArray(ValueLayout.JAVA_FLOAT);
    }
}

package org.batchnorm.spi;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.offset;

import java.util.List;
import java.util.Optional;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.batchnorm.BatchNorm;
import org.batchnorm.BatchNormFunction;
import org.batchnorm.Mode;
import org.batchnorm.SavedStatistics;
import org.batchnorm.Step;
import org.batchnorm.Values;
import org.batchnorm.conformance.Quantity;
import org.batchnorm.cpu.ScalarBackend;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Isolated;

/**
 * How a backend is chosen: auto may degrade and says so once, forced may not. Every scenario runs in a class loader of
 * its own, with the backends of {@link TestBackends} as services.
 */
@Isolated("sets system properties and takes what is logged")
class BackendSelectionTest {
    private static final String CPU = "org.batchnorm.spi.TestBackends$Cpu";
    private static final String FAST_CPU = "org.batchnorm.spi.TestBackends$FastCpu";
    private static final String DEVICE = "org.batchnorm.spi.TestBackends$Device";
    private static final String FIRST_DEVICE = "org.batchnorm.spi.TestBackends$FirstDevice";
    private static final String FAILING_DEVICE = "org.batchnorm.spi.TestBackends$FailingDevice";
    private static final String UNOPENABLE = "org.batchnorm.spi.TestBackends$UnopenableDevice";
    private static final String SLOW_DEVICE = "org.batchnorm.spi.TestBackends$SlowDevice";
    private static final String CHOOSY = "org.batchnorm.spi.TestBackends$Choosy";
    private static final String UNLOADABLE = "org.batchnorm.spi.TestBackends$Unloadable";
    private static final String ABSENT = "org.batchnorm.spi.TestBackends$Absent";
    private static final String WAITING = "org.batchnorm.spi.TestBackends$Waiting";

    private static final BatchShape LARGE = BatchShape.of(20, 3);
    private static final BatchShape SMALL = BatchShape.of(3, 3);

    @Test
    void allBackendsAreListedBestFirst() {
        IsolatedProviders.run(AllAreListed.class, CPU, DEVICE, FAST_CPU);
    }

    static final class AllAreListed implements Runnable {
        @Override
        public void run() {
            assertThat(Backends.all()).extracting(BatchNormBackend::name).containsExactly("device", "fastcpu", "cpu");
        }
    }

    @Test
    void anUnknownNameIsRefusedWithTheKnownOnes() {
        IsolatedProviders.run(UnknownIsRefused.class, CPU, FAST_CPU);
    }

    static final class UnknownIsRefused implements Runnable {
        @Override
        public void run() {
            assertThatThrownBy(() -> open("gpu"))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("backend: \"gpu\" given, must be one of auto, fastcpu, cpu");
        }
    }

    @Test
    void anUnusableBackendIsNotReplacedWhenForced() {
        IsolatedProviders.run(UnusableIsRefused.class, CPU, FAST_CPU);
    }

    static final class UnusableIsRefused implements Runnable {
        @Override
        public void run() {
            assertThatThrownBy(() -> open("fastcpu"))
                    .isInstanceOf(BackendUnavailableException.class)
                    .hasMessage(
                            "backend fastcpu was asked for and cannot be used: its module is missing; run java with --add-modules=fast");
            assertThatThrownBy(() -> BatchNorm.builder(3).backend("fastcpu").build())
                    .isInstanceOf(BackendUnavailableException.class);
        }
    }

    @Test
    void aForcedBackendThatCannotBeOpenedIsNotReplaced() {
        IsolatedProviders.run(UnopenableIsRefused.class, CPU, UNOPENABLE);
    }

    static final class UnopenableIsRefused implements Runnable {
        @Override
        public void run() {
            assertThatThrownBy(() -> open("unopenable"))
                    .isInstanceOf(BackendUnavailableException.class)
                    .hasMessageContaining("error 42; update the driver");
        }
    }

    @Test
    void autoDegradesAndSaysWhyOnce() {
        IsolatedProviders.run(AutoDegrades.class, CPU, FAST_CPU, SLOW_DEVICE, UNOPENABLE);
    }

    static final class AutoDegrades implements Runnable {
        @Override
        public void run() {
            try (LogCapture log = new LogCapture()) {
                for (int i = 0; i < 3; i++) {
                    assertThat(open("auto").name()).isEqualTo("cpu");
                }
                assertThat(log.messages())
                        .containsExactlyInAnyOrder(
                                "INFO backend fastcpu is passed over: its module is missing; run java with --add-modules=fast",
                                "INFO backend slow is passed over: its only device is this CPU; force it with backend=slow",
                                "WARNING backend unopenable is passed over: the driver answered with error 42; update the driver");
            }
        }
    }

    @Test
    void whatAutoPassesOverCanStillBeForced() {
        IsolatedProviders.run(SlowDeviceIsForced.class, CPU, SLOW_DEVICE);
    }

    static final class SlowDeviceIsForced implements Runnable {
        @Override
        public void run() {
            assertThat(open("slow").name()).isEqualTo("slow");
        }
    }

    @Test
    void thePropertyNamesTheBackendWhereTheCallerDoesNot() {
        IsolatedProviders.run(PropertyIsRead.class, CPU, DEVICE);
    }

    static final class PropertyIsRead implements Runnable {
        @Override
        public void run() {
            BackendOptions options = new BackendOptions(1, Optional.empty());
            assertThat(Backends.open(Optional.empty(), options).name()).isEqualTo("device");
            System.setProperty(Backends.BACKEND_PROPERTY, "cpu");
            try {
                assertThat(Backends.open(Optional.empty(), options).name()).isEqualTo("cpu");
                assertThat(Backends.open(Optional.of("device"), options).name()).isEqualTo("device");
            } finally {
                System.clearProperty(Backends.BACKEND_PROPERTY);
            }
        }
    }

    @Test
    void theOptionsReachTheBackend() {
        IsolatedProviders.run(OptionsArrive.class, CHOOSY);
    }

    static final class OptionsArrive implements Runnable {
        @Override
        public void run() {
            BatchNorm.builder(3).backend("cpu").threads(5).device("1:2").build().close();
            System.setProperty(BackendOptions.THREADS_PROPERTY, " 7 ");
            System.setProperty(BackendOptions.DEVICE_PROPERTY, "0:1");
            try {
                BatchNorm.builder(3).backend("cpu").build().close();
                BatchNorm.builder(3).backend("cpu").threads(2).build().close();
            } finally {
                System.clearProperty(BackendOptions.THREADS_PROPERTY);
                System.clearProperty(BackendOptions.DEVICE_PROPERTY);
            }
            assertThat(TestBackends.CALLS)
                    .containsExactly(
                            "open threads=5 device=Optional[1:2]",
                            "cpu close",
                            "open threads=7 device=Optional[0:1]",
                            "cpu close",
                            "open threads=2 device=Optional[0:1]",
                            "cpu close");
        }
    }

    @Test
    void autoTakesTheDeviceThatWasNamed() {
        IsolatedProviders.run(NamedDeviceIsTaken.class, CPU, DEVICE, FAST_CPU, SLOW_DEVICE);
    }

    static final class NamedDeviceIsTaken implements Runnable {
        @Override
        public void run() {
            try (BatchNorm layer =
                    BatchNorm.builder(3).backend("auto").device("0:0").build()) {
                assertThat(layer.backendName()).isEqualTo("device");
            }
            assertThatThrownBy(() -> BatchNorm.builder(3).device("gpu9").build())
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage(
                            "device: \"gpu9\" given, must be left out or one of 0:0 a device for tests, 0:0 a device for"
                                    + " tests; backend fastcpu cannot be used: its module is missing; run java with --add-modules=fast");
        }
    }

    /** A device that the library passes over for host data may be named all the same. */
    @Test
    void autoMayLeaveANamedDeviceToOthers() {
        IsolatedProviders.run(NamedDeviceIsSlow.class, CPU, SLOW_DEVICE);
    }

    static final class NamedDeviceIsSlow implements Runnable {
        @Override
        public void run() {
            try (BatchNorm layer =
                    BatchNorm.builder(3).backend("auto").device("0:0").build()) {
                assertThat(layer.backendName()).isEqualTo("cpu");
            }
        }
    }

    @Test
    void noBackendIsAskedForABatchWithoutValues() {
        IsolatedProviders.run(EmptyIsAnswered.class, CPU, DEVICE);
    }

    static final class EmptyIsAnswered implements Runnable {
        @Override
        public void run() {
            float[] nothing = {};
            BatchShape none = BatchShape.of(0, 3);
            for (String backend : List.of("cpu", "device", "auto")) {
                try (BatchNorm layer = BatchNorm.builder(3).backend(backend).build()) {
                    layer.forward(nothing, nothing, none);
                    layer.backward(nothing, nothing, nothing, none);
                    layer.useBatchStatistics(false);
                    layer.forward(nothing, nothing, none);
                    layer.backward(nothing, nothing, nothing, none);
                    assertThat(layer.numBatchesTracked()).isEqualTo(2);
                }
            }
            assertThat(TestBackends.CALLS).containsExactly("cpu close", "device close", "device close", "cpu close");
        }
    }

    @Test
    void aProviderThatCannotBeLoadedIsListedWithTheReason() {
        IsolatedProviders.run(UnloadableIsListed.class, UNLOADABLE, CPU);
    }

    static final class UnloadableIsListed implements Runnable {
        @Override
        public void run() {
            List<BatchNormBackend> all = Backends.all();
            assertThat(all).extracting(BatchNormBackend::name).containsExactly("cpu", "Unloadable");
            BatchNormBackend unloadable = all.getLast();
            assertThat(unloadable.availability().usable()).isFalse();
            assertThat(unloadable.availability())
                    .asString()
                    .contains("its classes cannot be loaded", "com/example/Driver", "class path");
            assertThat(unloadable.automatic().usable()).isFalse();
            assertThat(unloadable.devices()).isEmpty();
            assertThat(open("auto").name()).isEqualTo("cpu");
            assertThatThrownBy(() -> open("Unloadable")).isInstanceOf(BackendUnavailableException.class);
            assertThatThrownBy(() -> unloadable.open(new BackendOptions(1, Optional.empty())))
                    .isInstanceOf(BackendUnavailableException.class);
        }
    }

    @Test
    void aProviderWhoseClassIsMissingDoesNotHideTheOthers() {
        IsolatedProviders.run(AbsentIsSurvived.class, ABSENT, CPU);
    }

    static final class AbsentIsSurvived implements Runnable {
        @Override
        public void run() {
            assertThat(Backends.all()).extracting(BatchNormBackend::name).contains("cpu");
            assertThat(open("auto").name()).isEqualTo("cpu");
        }
    }

    @Test
    void withoutAnyUsableBackendTheReasonsAreTold() {
        IsolatedProviders.run(NothingIsUsable.class, FAST_CPU);
    }

    static final class NothingIsUsable implements Runnable {
        @Override
        public void run() {
            assertThatThrownBy(() -> open("auto"))
                    .isInstanceOf(BackendUnavailableException.class)
                    .hasMessageContainingAll(
                            "no backend can be used",
                            "fastcpu: its module is missing; run java with --add-modules=fast");
        }
    }

    @Test
    void aDeviceAloneIsEnough() {
        IsolatedProviders.run(DeviceAlone.class, DEVICE, FAST_CPU);
    }

    static final class DeviceAlone implements Runnable {
        @Override
        public void run() {
            try (BatchNorm layer = BatchNorm.builder(3).backend("auto").build()) {
                assertThat(layer.backendName()).isEqualTo("device");
                Step.run(layer, Values.random(SMALL, 1));
            }
        }
    }

    @Test
    void aDeviceGetsTheShapesThatItWantsAndTheCpuTheRest() {
        IsolatedProviders.run(DeviceIsAskedForShapes.class, CPU, DEVICE);
    }

    static final class DeviceIsAskedForShapes implements Runnable {
        @Override
        public void run() {
            try (BatchNorm layer = BatchNorm.builder(3).backend("auto").build()) {
                assertThat(layer.backendName()).isEqualTo("device");
                Step.run(layer, Values.random(LARGE, 1));
                Step.run(layer, Values.random(SMALL, 1));
                layer.eval();
                Step.run(layer, Values.random(LARGE, 1));
                layer.updateRunningStatistics(true);
                Step.run(layer, Values.random(SMALL, 1));
            }
            assertThat(TestBackends.CALLS)
                    .containsExactly(
                            "device forward",
                            "device backward",
                            "cpu forward",
                            "cpu backward",
                            "device transform",
                            "device backward",
                            "cpu collectStatistics",
                            "cpu transform",
                            "cpu backward",
                            "device close",
                            "cpu close");
        }
    }

    @Test
    void whatADeviceDoesNotTakeIsRefusedWhereItIsForcedAndElseTheCpus() {
        IsolatedProviders.run(TypesOfADevice.class, CPU, DEVICE);
    }

    static final class TypesOfADevice implements Runnable {
        @Override
        public void run() {
            short[] values = new short[60];
            values[7] = ElementType.BFLOAT16.toBits(1);
            Batch x = Batch.of(values, ElementType.BFLOAT16, LARGE);
            Batch y = Batch.of(new float[60], LARGE);
            try (BatchNorm layer = BatchNorm.builder(3).backend("auto").build()) {
                layer.forward(x, y);
                layer.backward(y, y, x);
            }
            assertThat(TestBackends.CALLS).containsExactly("cpu forward", "cpu backward", "device close", "cpu close");
            TestBackends.CALLS.clear();
            Batch z = Batch.of(new float[60], LARGE);
            try (BatchNorm layer = BatchNorm.builder(3).backend("device").build()) {
                layer.forward(y, z);
                assertThatThrownBy(() -> layer.forward(x, y))
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessage(
                                "x: BFLOAT16 given, but the backend device takes FLOAT32 alone; give float32 values,"
                                        + " or choose the backend auto, vector or scalar");
                assertThatThrownBy(() -> layer.backward(y, z, x))
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessageStartingWith("dx: BFLOAT16 given, but the backend device takes FLOAT32 alone");
                assertThatThrownBy(() -> layer.freezeStatistics().forward(y, x))
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessageStartingWith("y: BFLOAT16 given, but the backend device takes FLOAT32 alone");
                assertThat(layer.numBatchesTracked()).isEqualTo(1);
                // Nothing has touched the forward that was waiting.
                layer.backward(y, z, z);
            }
            assertThat(TestBackends.CALLS).containsExactly("device forward", "device backward", "device close");
            assertThat(ElementType.BFLOAT16.toFloat(values[7]))
                    .as("dx of auto, which is left alone")
                    .isNotEqualTo(1);
        }
    }

    @Test
    void aBatchThatIsTooLargeIsRefusedAndTheForwardBeforeItWaitsOn() {
        IsolatedProviders.run(TooLarge.class, CPU, TestBackends.Small.class.getName());
    }

    static final class TooLarge implements Runnable {
        @Override
        public void run() {
            BatchShape shape = BatchShape.of(4, 3);
            Batch small = Batch.of(new float[] {1, 2, 3, 6, 5, 4, 7, 9, 8, 1, 1, 2}, shape);
            Batch out = Batch.of(new float[12], shape);
            Batch large = Batch.of(new float[60], LARGE);
            try (BatchNorm layer = BatchNorm.builder(3).backend("small").build()) {
                for (Mode mode : List.of(Mode.TRAINING, Mode.FROZEN)) {
                    layer.mode(mode).forward(small, out);
                    assertTooLarge(() -> layer.forward(large, large));
                    layer.backward(small, small, out);
                }
                assertThat(layer.numBatchesTracked()).isEqualTo(1);
            }
            try (BatchNorm ghost =
                    BatchNorm.builder(3).backend("small").ghostBatch(5).build()) {
                ghost.forward(large, large);
                assertTooLarge(() -> ghost.freezeStatistics().forward(large, large));
                ghost.backward(Batch.of(new float[60], LARGE), large, large);
            }
            try (BatchNorm ghost =
                    BatchNorm.builder(3).backend("small").ghostBatch(7).build()) {
                ghost.forward(small, out);
                assertTooLarge(() -> ghost.forward(large, large));
                ghost.backward(small, small, out);
            }
            Moments moments = new Moments(3);
            moments.meanLow()[1] = 7;
            try (BatchNormFunction function =
                    BatchNormFunction.builder(3).backend("small").build()) {
                assertTooLarge(() -> function.collectStatistics(large, moments));
            }
            assertThat(moments.meanLow()).containsExactly(0, 7, 0);
        }

        private static void assertTooLarge(ThrowingCallable forward) {
            assertThatThrownBy(forward)
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessageContaining("the backend small takes at most 20");
        }
    }

    @Test
    void float64IsRefusedWhereADeviceThatDoesNotTakeItIsForcedAndElseTheCpus() {
        IsolatedProviders.run(Float64OfADevice.class, ScalarBackend.class.getName(), FIRST_DEVICE);
    }

    static final class Float64OfADevice implements Runnable {
        @Override
        public void run() {
            assertThatThrownBy(() -> BatchNorm.builder(3)
                            .elementType(ElementType.FLOAT64)
                            .backend("device")
                            .build())
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage(
                            "elementType: FLOAT64 given, but the backend device does not take it; choose the backend"
                                    + " auto, vector or scalar, or FLOAT32");
            assertThat(TestBackends.CALLS).containsExactly("device close");
            TestBackends.CALLS.clear();
            Batch x = Batch.of(new double[60], LARGE);
            Batch y = Batch.of(new double[60], LARGE);
            try (BatchNorm layer = BatchNorm.builder(3)
                    .elementType(ElementType.FLOAT64)
                    .backend("auto")
                    .build()) {
                layer.doubleBias()[1] = 5;
                layer.forward(x, y);
                layer.backward(x, y, y);
                assertThat(layer.doubleBiasGradient()).containsExactly(0, 100, 0);
            }
            assertThat(TestBackends.CALLS).containsExactly("device close");
        }
    }

    @Test
    void aBackwardFromTheOutputIsRefusedWhereADeviceThatNeedsXIsForcedAndElseTheCpus() {
        IsolatedProviders.run(FromOutputOnADevice.class, ScalarBackend.class.getName(), FIRST_DEVICE);
    }

    static final class FromOutputOnADevice implements Runnable {
        @Override
        public void run() {
            assertThatThrownBy(() -> BatchNorm.builder(3)
                            .recomputeInputFromOutput(true)
                            .backend("device")
                            .build())
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage(
                            "recomputeInputFromOutput: true given, but the backend device needs x for the gradients;"
                                    + " choose the backend auto, vector or scalar, or keep x");
            assertThat(TestBackends.CALLS).containsExactly("device close");
            TestBackends.CALLS.clear();
            Batch y = Batch.of(new float[60], LARGE);
            y.array()[4] = 1;
            Batch dy = Batch.of(y.array().clone(), LARGE);
            try (BatchNorm layer = BatchNorm.builder(3)
                    .recomputeInputFromOutput(true)
                    .backend("auto")
                    .build()) {
                layer.forward(y, y);
                float ofThePeak = y.array()[4];
                layer.backward(y, dy, y);
                assertThat(layer.weightGradient()).containsExactly(new float[] {0, ofThePeak, 0}, offset(1e-5f));
                layer.freezeStatistics();
                layer.forward(y, y);
                layer.backward(y, dy, y);
            }
            // The forward rounds as its backward takes it to: both are the CPU's.
            assertThat(TestBackends.CALLS).containsExactly("device close");
        }
    }

    @Test
    void aDeviceThatDoesABackwardFromTheOutputDoesItsForwardToo() {
        IsolatedProviders.run(
                FromOutputOnAnAbleDevice.class,
                ScalarBackend.class.getName(),
                TestBackends.DeviceFromOutput.class.getName());
    }

    static final class FromOutputOnAnAbleDevice implements Runnable {
        @Override
        public void run() {
            Batch y = Batch.of(new float[60], LARGE);
            Batch small = Batch.of(new float[6], BatchShape.of(2, 3));
            try (BatchNorm layer = BatchNorm.builder(3)
                    .recomputeInputFromOutput(true)
                    .backend("auto")
                    .build()) {
                layer.forward(y, y);
                layer.backward(y, y, y);
                layer.forward(small, small);
                layer.backward(small, small, small);
            }
            assertThat(TestBackends.CALLS).containsExactly("device forward", "device backward", "device close");
        }
    }

    @Test
    void aResidualIsRefusedWhereADeviceThatAddsNoneIsForced() {
        IsolatedProviders.run(ResidualOfADevice.class, CPU, DEVICE);
    }

    static final class ResidualOfADevice implements Runnable {
        @Override
        public void run() {
            Batch x = Batch.of(new float[60], LARGE);
            Batch y = Batch.of(new float[60], LARGE);
            String message = "residual: given, but the backend device adds none; add it outside of the layer,"
                    + " or choose the backend auto, vector or scalar";
            try (BatchNorm layer = BatchNorm.builder(3).backend("device").build()) {
                assertThatThrownBy(() -> layer.forward(x, x, y))
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessage(message);
                layer.forward(x, y);
                assertThatThrownBy(() -> layer.backward(x, y, y, y, Batch.of(new float[60], LARGE)))
                        .isInstanceOf(IllegalArgumentException.class)
                        .hasMessage(message);
                assertThat(layer.numBatchesTracked()).isEqualTo(1);
            }
            assertThat(TestBackends.CALLS).containsExactly("device forward", "device close");
        }
    }

    @Test
    void aForcedDeviceGetsEveryShape() {
        IsolatedProviders.run(ForcedDeviceTakesAll.class, CPU, DEVICE);
    }

    static final class ForcedDeviceTakesAll implements Runnable {
        @Override
        public void run() {
            try (BatchNorm layer = BatchNorm.builder(3).backend("device").build()) {
                Step.run(layer, Values.random(SMALL, 1));
            }
            assertThat(TestBackends.CALLS).containsExactly("device forward", "device backward", "device close");
        }
    }

    @Test
    void whereADeviceFailsTheCpuDoesTheWorkAgainAndThatIsSaidOnce() {
        IsolatedProviders.run(CpuTakesOver.class, CPU, FAILING_DEVICE);
    }

    static final class CpuTakesOver implements Runnable {
        @Override
        public void run() {
            Values batch = Values.random(LARGE, 2);
            try (LogCapture log = new LogCapture();
                    BatchNorm expecting = BatchNorm.builder(3).backend("cpu").build();
                    BatchNorm layer = BatchNorm.builder(3).backend("auto").build()) {
                Step expected = Step.run(expecting, batch);
                TestBackends.CALLS.clear();
                // The forward is the device's; its backward fails after it has written into dx.
                Step.run(layer, batch).isBitwise(expected);
                Step second = Step.run(layer, batch);
                assertThat(second.get(Quantity.DX)).isEqualTo(expected.get(Quantity.DX));
                assertThat(TestBackends.CALLS)
                        .containsExactly(
                                "device forward", "device backward", "cpu backward", "cpu forward", "cpu backward");
                assertThat(log.messages())
                        .containsExactly(
                                "WARNING backend device failed and is not used again by this layer, cpu does its work: the device is lost");
                assertThat(layer.numBatchesTracked()).isEqualTo(2);
            }
        }
    }

    @Test
    void aForcedDeviceThatFailsIsNotReplaced() {
        IsolatedProviders.run(ForcedDeviceFails.class, CPU, FAILING_DEVICE);
    }

    static final class ForcedDeviceFails implements Runnable {
        @Override
        public void run() {
            Values batch = Values.random(LARGE, 3);
            try (BatchNorm layer = BatchNorm.builder(3).backend("device").build()) {
                SavedStatistics saved = new SavedStatistics(3);
                float[] y = new float[60];
                layer.forward(batch.x(), y, LARGE, saved);
                assertThatThrownBy(() -> layer.backward(batch.x(), batch.dy(), new float[60], LARGE, saved))
                        .isInstanceOf(BackendUnavailableException.class)
                        .hasMessage("the device is lost");
                assertThat(layer.weightGradient()).containsOnly(0);
                assertThat(saved.isFilled())
                        .as("the backward can be tried again")
                        .isTrue();
                assertThatThrownBy(() -> layer.forward(batch.x(), y, LARGE))
                        .isInstanceOf(BackendUnavailableException.class);
                assertThat(layer.numBatchesTracked()).isEqualTo(1);
            }
        }
    }

    @Test
    void aFailureInPlaceIsNotDoneAgainFromSpoiledInput() {
        IsolatedProviders.run(ForwardInPlaceFails.class, CPU, FAILING_DEVICE);
    }

    static final class ForwardInPlaceFails implements Runnable {
        @Override
        public void run() {
            Values batch = Values.random(LARGE, 4);
            try (BatchNorm expecting = BatchNorm.builder(3).backend("cpu").build();
                    BatchNorm layer = BatchNorm.builder(3).backend("auto").build()) {
                float[] expected = new float[60];
                expecting.forward(batch.x(), expected, LARGE);
                layer.forward(batch.x(), new float[60], LARGE);
                float[] data = batch.x().clone();
                assertThatThrownBy(() -> layer.forward(data, data, LARGE))
                        .isInstanceOf(BackendUnavailableException.class)
                        .hasMessageContainingAll(
                                "device failed in an operation in place",
                                "with the input restored",
                                "the device is lost");
                assertThat(layer.numBatchesTracked()).isEqualTo(1);
                System.arraycopy(batch.x(), 0, data, 0, 60);
                layer.forward(data, data, LARGE);
                assertThat(data).isEqualTo(expected);
            }
        }
    }

    @Test
    void aGradientInPlaceIsNotDoneAgainFromSpoiledInput() {
        IsolatedProviders.run(GradientInPlaceFails.class, CPU, FAILING_DEVICE);
    }

    static final class GradientInPlaceFails implements Runnable {
        @Override
        public void run() {
            Values batch = Values.random(LARGE, 6);
            for (int which = 0; which < 2; which++) {
                try (BatchNorm layer = BatchNorm.builder(3).backend("auto").build()) {
                    layer.forward(batch.x(), new float[60], LARGE);
                    float[] x = batch.x().clone();
                    float[] dy = batch.dy().clone();
                    float[] dx = which == 0 ? x : dy;
                    assertThatThrownBy(() -> layer.backward(x, dy, dx, LARGE))
                            .isInstanceOf(BackendUnavailableException.class)
                            .hasMessageContaining("in place");
                    assertThat(layer.weightGradient()).containsOnly(0);
                    layer.backward(batch.x(), batch.dy(), new float[60], LARGE);
                }
            }
        }
    }

    @Test
    void trainingByTwoThreadsIsRefused() {
        IsolatedProviders.run(SecondThreadIsRefused.class, WAITING);
    }

    static final class SecondThreadIsRefused implements Runnable {
        @Override
        public void run() {
            Values batch = Values.random(LARGE, 5);
            try (BatchNorm layer = BatchNorm.builder(3).backend("cpu").build()) {
                Thread trainer = Thread.ofPlatform().start(() -> layer.forward(batch.x(), new float[60], LARGE));
                TestBackends.Waiting.ENTERED.await();
                String message = "the layer is in use by another thread";
                float[] y = new float[60];
                assertThatThrownBy(() -> layer.forward(batch.x(), y, LARGE))
                        .isInstanceOf(IllegalStateException.class)
                        .hasMessageContainingAll("forward", message);
                assertThatThrownBy(() -> layer.backward(batch.x(), batch.dy(), y, LARGE))
                        .isInstanceOf(IllegalStateException.class)
                        .hasMessageContainingAll("backward", message);
                assertThatThrownBy(layer::eval)
                        .isInstanceOf(IllegalStateException.class)
                        .hasMessageContaining(message);
                assertThatThrownBy(() -> layer.loadState(layer.state())).isInstanceOf(IllegalStateException.class);
                assertThatThrownBy(layer::close)
                        .isInstanceOf(IllegalStateException.class)
                        .hasMessageContaining(message);
                assertThat(y).containsOnly(0);
                TestBackends.Waiting.GO_ON.countDown();
                trainer.join();
                assertThat(layer.numBatchesTracked()).isEqualTo(1);
                layer.backward(batch.x(), batch.dy(), y, LARGE);
            } catch (InterruptedException e) {
                throw new IllegalStateException(e);
            }
        }
    }

    private static Backends.OpenBackend open(String name) {
        return Backends.open(Optional.of(name), new BackendOptions(1, Optional.empty()));
    }
}

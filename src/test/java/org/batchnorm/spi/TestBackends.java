package org.batchnorm.spi;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;

/**
 * Backends that behave in one way each, for tests of how a backend is chosen. All of them compute with the
 * {@link ReferenceBackend}.
 */
public final class TestBackends {
    /** What the backends were asked to do, in order; each isolated run has its own list. */
    static final List<String> CALLS = Collections.synchronizedList(new ArrayList<>());

    private TestBackends() {}

    /** A device that goes before every CPU backend. */
    public static class FirstDevice extends Device {
        @Override
        public int priority() {
            return 1000;
        }
    }

    /** The same, and says that it makes gradients of y. */
    public static class DeviceFromOutput extends FirstDevice {
        @Override
        public BatchNormOperations open(BackendOptions options) {
            return new Recording(name(), 0) {
                @Override
                public boolean doesBackwardFromOutput() {
                    return true;
                }

                @Override
                public boolean prefers(BatchShape shape) {
                    return shape.elements() >= 10;
                }
            };
        }
    }

    /** A CPU backend, usable everywhere. */
    public static class Cpu extends ReferenceBackend {
        @Override
        public String name() {
            return "cpu";
        }

        @Override
        public int priority() {
            return 10;
        }

        @Override
        public BatchNormOperations open(BackendOptions options) {
            return new Recording(name(), 0) {
                @Override
                public boolean takes16Bit() {
                    return true;
                }
            };
        }
    }

    /** A CPU backend that would be better, were it usable. */
    public static class FastCpu extends Cpu {
        @Override
        public String name() {
            return "fastcpu";
        }

        @Override
        public int priority() {
            return 20;
        }

        @Override
        public Availability availability() {
            return Availability.unusable("its module is missing", "run java with --add-modules=fast");
        }
    }

    /** A device that works and wants every shape of at least 10 values. */
    public static class Device extends ReferenceBackend {
        @Override
        public String name() {
            return "device";
        }

        @Override
        public int priority() {
            return 100;
        }

        @Override
        public List<DeviceInfo> devices() {
            return List.of(new DeviceInfo("0:0", "a device for tests", Availability.usable("found")));
        }

        @Override
        public BatchNormOperations open(BackendOptions options) {
            return new Recording(name(), failAfter()) {
                @Override
                public boolean prefers(BatchShape shape) {
                    return shape.elements() >= 10;
                }
            };
        }

        /** The operation that fails, counted from 1; 0: none. */
        int failAfter() {
            return 0;
        }
    }

    /** A device whose second operation fails, and all after it. */
    public static class FailingDevice extends Device {
        @Override
        int failAfter() {
            return 2;
        }
    }

    /** A device that probes well and then cannot be opened. */
    public static class UnopenableDevice extends Device {
        @Override
        public String name() {
            return "unopenable";
        }

        @Override
        public BatchNormOperations open(BackendOptions options) {
            throw new BackendUnavailableException("the driver answered with error 42; update the driver");
        }
    }

    /** A device that works, but that is slower than the CPU for host data. */
    public static class SlowDevice extends Device {
        @Override
        public String name() {
            return "slow";
        }

        @Override
        public Availability automatic() {
            return Availability.unusable("its only device is this CPU", "force it with backend=slow");
        }
    }

    /** A backend that takes options. */
    public static class Choosy extends Cpu {
        @Override
        public BatchNormOperations open(BackendOptions options) {
            CALLS.add("open threads=" + options.threads() + " device=" + options.device());
            return super.open(options);
        }
    }

    /** A backend whose class cannot be initialized, as if what it needs were missing. */
    public static class Unloadable extends ReferenceBackend {
        static final int NEVER = fail();

        private static int fail() {
            throw new NoClassDefFoundError("com/example/Driver");
        }
    }

    /** A backend whose training forward waits for the test in the middle of its work. */
    public static class Waiting extends Cpu {
        static final CountDownLatch ENTERED = new CountDownLatch(1);
        static final CountDownLatch GO_ON = new CountDownLatch(1);

        @Override
        public BatchNormOperations open(BackendOptions options) {
            return new ReferenceBackend.Operations() {
                @Override
                public void forward(Tensors tensors, Normalization normalization) {
                    ENTERED.countDown();
                    try {
                        GO_ON.await();
                    } catch (InterruptedException e) {
                        throw new IllegalStateException(e);
                    }
                    super.forward(tensors, normalization);
                }
            };
        }
    }

    /** A backend that takes no more than 20 values at once. */
    public static class Small extends Cpu {
        @Override
        public String name() {
            return "small";
        }

        @Override
        public BatchNormOperations open(BackendOptions options) {
            return new ReferenceBackend.Operations() {
                @Override
                public void requireTaken(Tensors tensors) {
                    if (tensors.shape().elements() > 20) {
                        throw new IllegalArgumentException(
                                "shape: " + tensors.shape() + " given, the backend small takes at most 20 values");
                    }
                }

                @Override
                public void collectStatistics(Tensors tensors, Moments moments) {
                    requireTaken(tensors);
                    super.collectStatistics(tensors, moments);
                }

                @Override
                public void transform(Tensors tensors, Normalization normalization) {
                    requireTaken(tensors);
                    super.transform(tensors, normalization);
                }
            };
        }
    }

    /** Operations that keep a record, and fail from the given one on, after they have spoiled their output. */
    private static class Recording extends ReferenceBackend.Operations {
        private final String name;
        private final int failFrom;
        private int operations;

        Recording(String name, int failFrom) {
            this.name = name;
            this.failFrom = failFrom;
        }

        private void begin(String operation, Optional<Batch> output) {
            CALLS.add(name + " " + operation);
            operations++;
            if (failFrom > 0 && operations >= failFrom) {
                output.ifPresent(batch -> batch.segment().fill((byte) 0x55));
                throw new BackendUnavailableException("the device is lost");
            }
        }

        @Override
        public void collectStatistics(Tensors tensors, Moments moments) {
            begin("collectStatistics", Optional.empty());
            super.collectStatistics(tensors, moments);
        }

        @Override
        public void transform(Tensors tensors, Normalization normalization) {
            begin("transform", Optional.of(tensors.y()));
            super.transform(tensors, normalization);
        }

        @Override
        public void reduceGradients(Tensors tensors, Normalization normalization, GradientSums sums) {
            begin("reduceGradients", Optional.empty());
            super.reduceGradients(tensors, normalization, sums);
        }

        @Override
        public void inputGradient(Tensors tensors, Normalization normalization, GradientSums sums) {
            begin("inputGradient", Optional.of(tensors.dx()));
            super.inputGradient(tensors, normalization, sums);
        }

        @Override
        public void forward(Tensors tensors, Normalization normalization) {
            begin("forward", Optional.of(tensors.y()));
            BatchStatistics statistics = normalization.statistics();
            Moments moments = new Moments(tensors.shape().c());
            super.collectStatistics(tensors, moments);
            statistics.set(moments, normalization.eps());
            super.transform(tensors, normalization);
        }

        @Override
        public void backward(Tensors tensors, Normalization normalization, GradientSums sums) {
            begin("backward", Optional.of(tensors.dx()));
            super.reduceGradients(tensors, normalization, sums);
            super.inputGradient(tensors, normalization, sums);
        }

        @Override
        public void close() {
            CALLS.add(name + " close");
        }
    }
}

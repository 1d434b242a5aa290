package org.batchnorm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.sun.management.ThreadMXBean;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.util.List;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.spi.Activation;
import org.batchnorm.spi.Activations;
import org.batchnorm.spi.Backends;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Moments;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.StatisticsExchange;
import org.batchnorm.spi.Tensors;
import org.junit.jupiter.api.Test;

/** The layer itself allocates nothing in a call, and keeps no tensor of the caller after it. */
class LayerAllocationTest {
    private static final BatchShape SHAPE = BatchShape.of(6, 3);
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    private final Nothing operations = new Nothing();
    private final BatchNormFunction function = new BatchNormFunction(
            new Arguments("function", 3, ElementType.FLOAT32),
            1e-5,
            Activations.NONE,
            new Backends.OpenBackend("nothing", operations),
            false);
    private final BatchNorm layer = new BatchNorm(BatchNormConfig.of(3), function);
    private final BatchNorm fromOutput = new BatchNorm(
            BatchNormConfig.of(3),
            new BatchNormFunction(
                    new Arguments("layer", 3, ElementType.FLOAT32),
                    1e-5,
                    Activations.NONE,
                    new Backends.OpenBackend("nothing", operations),
                    true));
    private final BatchNorm activated = new BatchNorm(
            BatchNormConfig.of(3),
            new BatchNormFunction(
                    new Arguments("layer", 3, ElementType.FLOAT32),
                    1e-5,
                    Activations.NONE.withOutput(Activation.relu()),
                    new Backends.OpenBackend("nothing", operations),
                    false));
    private final SavedStatistics saved = new SavedStatistics(3);

    /** Copies of γ and β are for the sign of an activation after batch norm, where that is not the sign of y. */
    @Test
    void parametersAreCopiedOnlyWhereBackwardNeedsThem() {
        Batch x = Batch.of(new float[18], SHAPE);
        layer.forward(x, x, saved);
        assertThat(saved.kept()).isSameAs(Parameters.NONE);
        activated.forward(x, x, x, saved);
        assertThat(saved.kept()).as("with a residual").isSameAs(Parameters.NONE);
        activated.forward(x, x, saved);
        assertThat(saved.kept().gamma()).isEqualTo(activated.weight()).isNotSameAs(activated.weight());
    }

    @Test
    void noCallAllocates() {
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment offHeap = arena.allocate(ValueLayout.JAVA_FLOAT, 4 * SHAPE.elements());
            MemorySegment onHeap = MemorySegment.ofArray(new float[4 * (int) SHAPE.elements()]);
            for (MemorySegment memory : List.of(offHeap, onHeap)) {
                Batch x = Batch.of(memory, SHAPE);
                Batch y = Batch.of(memory.asSlice(SHAPE.bytes()), SHAPE);
                Batch dy = Batch.of(memory.asSlice(2 * SHAPE.bytes()), SHAPE);
                Batch dx = Batch.of(memory.asSlice(3 * SHAPE.bytes()), SHAPE);
                layer.train();
                assertAllocatesNothing(() -> {
                    layer.forward(x, y);
                    layer.backward(x, dy, dx);
                });
                assertAllocatesNothing(() -> {
                    layer.forward(x, x, saved);
                    layer.backward(y, dy, dy, saved);
                });
                assertAllocatesNothing(() -> {
                    layer.forward(x, dy, y);
                    layer.backward(x, y, dy, dx, y);
                });
                assertAllocatesNothing(() -> {
                    fromOutput.forward(x, x);
                    fromOutput.backward(x, dy, dy);
                });
                assertAllocatesNothing(() -> {
                    activated.forward(x, y);
                    activated.backward(x, dy, dx);
                });
                layer.useBatchStatistics(false);
                assertAllocatesNothing(() -> layer.forward(x, y));
                layer.freezeStatistics();
                assertAllocatesNothing(() -> {
                    layer.forward(x, y);
                    layer.backward(x, dy, dx);
                });
                layer.eval();
                assertAllocatesNothing(() -> layer.forward(x, y));
                layer.useBatchStatistics(true);
                assertAllocatesNothing(() -> layer.forward(x, y));
                Parameters parameters = new Parameters(new float[3], new float[3], new float[3], new float[3]);
                float[] given = new float[3];
                assertAllocatesNothing(() -> {
                    function.forward(x, y, parameters, saved);
                    function.backward(x, dy, dx, parameters, saved);
                    function.inference(x, y, parameters, given, given);
                });
            }
        }
    }

    /** What is merged between the stages of ranks and of micro-batches is made once. */
    @Test
    void noCallOfPartsAllocates() {
        SynchronizedOperations ofRank = new SynchronizedOperations(operations, new Alone(), 3, ElementType.FLOAT32);
        Activations relu = Activations.NONE.withOutput(Activation.relu());
        BatchNorm rank = new BatchNorm(
                BatchNormConfig.of(3),
                new BatchNormFunction(
                        new Arguments("layer", 3, ElementType.FLOAT32),
                        1e-5,
                        relu,
                        new Backends.OpenBackend("nothing", ofRank),
                        false));
        Batch x = Batch.of(new float[18], SHAPE);
        Batch y = Batch.of(new float[18], SHAPE);
        Batch dy = Batch.of(new float[18], SHAPE);
        Batch dx = Batch.of(new float[18], SHAPE);
        assertAllocatesNothing(() -> {
            rank.forward(x, y);
            rank.backward(x, dy, dx);
            rank.forward(x, x, y, saved);
            rank.backward(x, y, dy, dx, y, saved);
        });
        AccumulatedBatches large = new AccumulatedBatches(activated);
        assertAllocatesNothing(() -> {
            large.collectStatistics(x);
            large.collectStatistics(x);
            large.mergeStatistics();
            large.transform(x, y);
            large.reduceGradients(x, dy);
            large.reduceGradients(x, dy);
            large.mergeGradients();
            large.inputGradient(x, dy, dx);
            large.inputGradient(x, dy, dx);
        });
        assertAllocatesNothing(() -> {
            large.collectStatistics(x);
            large.mergeStatistics();
            large.transform(x, y, y);
            large.reduceGradients(x, y, dy, dy);
            large.mergeGradients();
            large.inputGradient(x, dy, dx);
        });
    }

    private void assertAllocatesNothing(Runnable calls) {
        // What is used again is made in the first calls; a class may be loaded or compiled a little later.
        long least = Long.MAX_VALUE;
        for (int round = 0; round < 10 && least > 0; round++) {
            long before = THREADS.getCurrentThreadAllocatedBytes();
            for (int i = 0; i < 1000; i++) {
                calls.run();
            }
            least = Math.min(least, THREADS.getCurrentThreadAllocatedBytes() - before);
        }
        assertThat(least).as("bytes in 1000 calls").isZero();
        assertThat(operations.last).isNotNull();
        assertThatThrownBy(() -> operations.last.x())
                .as("the tensors are let go")
                .isInstanceOf(IllegalStateException.class);
    }

    /** The one rank that there is. */
    private static final class Alone implements StatisticsExchange {
        @Override
        public int rank() {
            return 0;
        }

        @Override
        public int size() {
            return 1;
        }

        @Override
        public void allGather(double[] mine, double[] all) {
            System.arraycopy(mine, 0, all, 0, mine.length);
        }
    }

    /** A backend that does nothing and allocates nothing. */
    private static final class Nothing implements BatchNormOperations {
        private Tensors last;

        @Override
        public boolean doesActivations() {
            return true;
        }

        @Override
        public boolean doesBackwardFromOutput() {
            return true;
        }

        @Override
        public void collectStatistics(Tensors tensors, Moments moments) {
            last = tensors;
            moments.count(tensors.shape().valuesPerFeature());
        }

        @Override
        public void transform(Tensors tensors, Normalization normalization) {
            last = tensors;
        }

        @Override
        public void reduceGradients(Tensors tensors, Normalization normalization, GradientSums sums) {
            last = tensors;
            sums.count(tensors.shape().valuesPerFeature());
        }

        @Override
        public void inputGradient(Tensors tensors, Normalization normalization, GradientSums sums) {
            last = tensors;
        }

        @Override
        public void forward(Tensors tensors, Normalization normalization) {
            last = tensors;
        }
    }
}

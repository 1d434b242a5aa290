package org.batchnorm.cpu.pass;

import static org.assertj.core.api.Assertions.assertThat;

import java.lang.management.ManagementFactory;
import java.lang.ref.WeakReference;
import java.util.concurrent.TimeUnit;
import org.batchnorm.BatchNorm;
import org.batchnorm.data.BatchShape;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Isolated;

/** The scratch that all layers share. */
@Isolated("counts the memory of the heap and what all layers share")
class PipelinesTest {
    private static final BatchShape SHAPE = BatchShape.of(4, 500_000);

    @Test
    void scratchGoesWithTheLastLayerThatIsClosed() throws InterruptedException {
        BatchNorm first = layer();
        BatchNorm second = layer();
        WeakReference<Pipeline> scratch = new WeakReference<>(used(first));
        first.close();
        System.gc();
        assertThat(scratch.get()).isNotNull();
        used(second);
        second.close();
        assertLetGo(scratch);
        assertThat(first.backendName()).isEqualTo(second.backendName());
    }

    @Test
    void scratchGoesWithLayersThatNobodyCloses() throws InterruptedException {
        assertLetGo(new WeakReference<>(used(layer())));
    }

    /** Beside the parameters, the statistics and the coefficients of a layer with 500,000 features. */
    @Test
    void whatIsKeptDoesNotGrowWithTheThreads() {
        try (BatchNorm one = layer();
                BatchNorm many = BatchNorm.builder(SHAPE.c()).threads(64).build()) {
            infer(one, 1);
            long before = heap();
            infer(many, 20);
            assertThat(heap() - before).isLessThan(20L << 20);
        }
    }

    private static void infer(BatchNorm layer, int times) {
        float[] x = new float[(int) SHAPE.elements()];
        layer.eval();
        for (int i = 0; i < times; i++) {
            layer.forward(x, x, SHAPE);
        }
    }

    private static long heap() {
        System.gc();
        return ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
    }

    private static BatchNorm layer() {
        return BatchNorm.builder(SHAPE.c()).threads(2).build();
    }

    /** The pipeline that a layer has worked with last. */
    private static Pipeline used(BatchNorm layer) {
        float[] x = new float[(int) SHAPE.elements()];
        layer.forward(x, x, SHAPE);
        Pipelines pipelines = Pipelines.shared();
        Pipeline last = pipelines.take();
        pipelines.giveBack(last);
        return last;
    }

    private static void assertLetGo(WeakReference<?> reference) throws InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(8);
        while (reference.get() != null && System.nanoTime() < deadline) {
            System.gc();
            Thread.sleep(20);
        }
        assertThat(reference.get()).isNull();
    }
}

package org.batchnorm.tornadovm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.function.Consumer;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.batchnorm.BatchNorm;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.Remarks;
import org.batchnorm.state.LoadOptions;
import org.batchnorm.state.Tensor;
import org.junit.jupiter.api.Test;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.WorkerGrid1D;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.enums.TornadoVMBackendType;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/** What is refused, and how. */
class ErrorsTest {
    private final TaskGraph graph = new TaskGraph("graph");
    private final GridScheduler grids = new GridScheduler();

    private static BatchNormTasks layer(BatchShape shape) {
        return Layers.layer(shape, Layers.OWN);
    }

    @Test
    void names() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new BatchNormTasks("my.norm", BatchNormConfig.of(3), BatchShape.of(4, 3), Layers.OWN))
                .withMessageContaining("prefix: \"my.norm\" given")
                .withMessageContaining("letters, digits and underscores");
        FloatArray x = new FloatArray(12);
        layer(BatchShape.of(4, 3)).on(graph, grids).inference(x, x);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> layer(BatchShape.of(4, 3)).on(graph, grids).inference(x, x))
                .withMessageContaining("prefix: \"norm\" given")
                .withMessageContaining("graph.norm_inference");
    }

    @Test
    void features() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> new BatchNormTasks("norm", BatchNormConfig.of(4), BatchShape.of(4, 3), Layers.OWN))
                .withMessageContaining("(4, 3)")
                .withMessageContaining("3 features")
                .withMessageContaining("has 4");
    }

    @Test
    void noValues() {
        for (BatchShape none : new BatchShape[] {BatchShape.of(0, 3), BatchShape.channelsFirst(4, 3, 0)}) {
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> layer(none))
                    .withMessage("maxShape: " + none + " has no values, must have at least 1 sample and 1 position");
        }
    }

    @Test
    void arraysTooSmall() {
        BatchNormTasks norm = layer(BatchShape.of(4, 3));
        FloatArray right = new FloatArray(12);
        FloatArray small = new FloatArray(11);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> norm.on(graph, grids).forward(small, right))
                .withMessage("x: an array of 11 values given, (4, 3) needs 12");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> norm.on(graph, grids).forward(right, small))
                .withMessageStartingWith("y:");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> norm.on(graph, grids).backward(right, small, right))
                .withMessageStartingWith("dy:");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> norm.on(graph, grids).backward(right, right, small))
                .withMessageStartingWith("dx:");
        assertThat(grids.keySet()).as("nothing was added").isEmpty();
    }

    @Test
    void oneValuePerFeature() {
        BatchNormTasks norm = layer(BatchShape.of(1, 3));
        FloatArray x = new FloatArray(3);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> norm.on(graph, grids).forward(x, x))
                .withMessageContaining("expects more than 1 value per feature");
        assertThatCode(() -> norm.on(graph, grids).inference(x, x)).doesNotThrowAnyException();

        BatchNormTasks larger = layer(BatchShape.of(4, 3));
        SampleCount samples = SampleCount.atMost(4);
        FloatArray data = new FloatArray(12);
        larger.on(new TaskGraph("other"), grids, samples).forward(data, data);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> samples.set(1))
                .withMessageContaining("samples: 1 given")
                .withMessageContaining("more than 1 value per feature");
        assertThat(samples.get()).isEqualTo(4);
    }

    @Test
    void samplesBeyondTheShape() {
        BatchNormTasks norm = layer(BatchShape.of(4, 3));
        FloatArray data = new FloatArray(12);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> norm.on(graph, grids, SampleCount.atMost(5)).forward(data, data))
                .withMessageContaining("at most 5 given")
                .withMessageContaining("(4, 3)");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> SampleCount.atMost(4).set(5))
                .withMessageContaining("samples: 5 given");
        assertThatIllegalArgumentException().isThrownBy(() -> SampleCount.atMost(0));
    }

    @Test
    void moreValuesThanAnIntAddresses() {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> layer(BatchShape.of(1L << 21, 1024)))
                .withMessageContaining("2147483648 values")
                .withMessageContaining("indexed by int");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> layer(BatchShape.channelsFirst(1, 1, 1L << 33)))
                .withMessageContaining("indexed by int");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> layer(BatchShape.of(1, 1 << 30)))
                .withMessageContaining("1073741824 features, must be at most 532676607");
    }

    @Test
    void whatTheConfigurationExcludes() {
        BatchNormConfig bare = new BatchNormConfig(3, 1e-5, OptionalDouble.of(0.1), false, false);
        BatchNormTasks norm = new BatchNormTasks("norm", bare, BatchShape.of(4, 3), Layers.OWN);
        assertThatIllegalStateException().isThrownBy(norm::parameters).withMessageContaining("no affine parameters");
        assertThatIllegalStateException().isThrownBy(norm::gradients).withMessageContaining("no affine parameters");
        assertThatIllegalStateException().isThrownBy(norm::runningStatistics).withMessageContaining("tracks no");
        assertThatIllegalStateException().isThrownBy(norm::numBatchesTracked).withMessageContaining("tracks no");
        FloatArray x = new FloatArray(12);
        assertThatIllegalStateException()
                .isThrownBy(() -> norm.on(graph, grids).frozenForward(x, x))
                .withMessageContaining("none to normalize with");
    }

    @Test
    void states() {
        BatchNormTasks norm = layer(BatchShape.of(4, 3));
        Tensor three = Tensor.ofFloats(new float[] {1, 2, 3}, 3);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> norm.loadState(Map.of("weight", three, "bias", three)))
                .withMessageContaining("missing [num_batches_tracked, running_mean, running_var]");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> norm.loadState(Map.of(
                        "weight", three,
                        "bias", three,
                        "running_mean", three,
                        "running_var", Tensor.ofFloats(new float[4], 4),
                        "num_batches_tracked", Tensor.ofLong(1))))
                .withMessageContaining("running_var");
        assertThat(norm.parameters().get(1)).as("unchanged").isEqualTo(1);
    }

    /** A layer of a whole model's file, which has no count, and a variance that no data lead to. */
    @Test
    void aStateMayBeLenientAndStrangeVariancesAreSaidOnce() {
        List<String> said = new ArrayList<>();
        Handler handler = new Handler() {
            @Override
            public void publish(LogRecord message) {
                said.add(message.getLevel() + " " + message.getMessage());
            }

            @Override
            public void flush() {}

            @Override
            public void close() {}
        };
        Logger log = Logger.getLogger(BatchNorm.class.getName());
        log.addHandler(handler);
        log.setUseParentHandlers(false);
        Remarks.forget();
        try {
            BatchNormTasks norm = layer(BatchShape.of(4, 3));
            Tensor three = Tensor.ofDoubles(new double[] {1, 2, 3}, 1, 3, 1, 1);
            Map<String, Tensor> model = new HashMap<>(Map.of("bn.weight", three, "bn.running_var", three));
            LoadOptions options = LoadOptions.lenient().prefix("bn.");
            assertThat(norm.loadState(model, options).missing())
                    .containsExactly("bn.bias", "bn.num_batches_tracked", "bn.running_mean");
            assertThat(norm.parameters().get(2)).isEqualTo(3);
            assertThat(norm.runningStatistics().get(5)).isEqualTo(3);
            assertThat(said).isEmpty();
            for (float strange : new float[] {-1, Float.NaN}) {
                model.put("bn.running_var", Tensor.ofFloats(new float[] {1, strange, strange}, 3));
                norm.loadState(model, options);
            }
            assertThat(norm.runningStatistics().get(4)).isNaN();
            assertThat(said)
                    .singleElement()
                    .satisfies(message -> assertThat(message)
                            .startsWith("WARNING loadState: running_var is -1.0 for feature 1")
                            .endsWith("load a running_mean of 0 and a running_var of 1 and train for some batches"));
        } finally {
            log.removeHandler(handler);
            log.setUseParentHandlers(true);
        }
    }

    /** Not to be compiled for a device, which has no strings; as Java it would write. */
    public static void broken(KernelContext context, FloatArray x) {
        String text = "x" + x.get(context.globalIdx);
        x.set(context.globalIdx, text.length());
    }

    /** Nothing is wrong with it. */
    public static void sound(KernelContext context, FloatArray x) {
        x.set(context.globalIdx, -1);
    }

    @Test
    void aKernelThatTornadoVmDoesNotCompileFailsLoudly() {
        assertFailsLoudly(
                x -> graph.task("kernel", ErrorsTest::broken, new KernelContext(), x), BatchNormTasks.OPENCL_FLAGS);
    }

    /** The way on which TornadoVM would run the kernel as sequential Java, were bailout on. */
    @Test
    void aKernelThatTheDriverDoesNotCompileFailsLoudly() {
        assumeThat(Layers.DEVICE.getTornadoVMBackend()).isEqualTo(TornadoVMBackendType.OPENCL);
        assertFailsLoudly(x -> graph.task("kernel", ErrorsTest::sound, new KernelContext(), x), "-D__kernel=nonsense");
    }

    private void assertFailsLoudly(Consumer<FloatArray> addKernel, String openClFlags) {
        FloatArray x = Layers.filled(16, 5);
        graph.transferToDevice(DataTransferMode.FIRST_EXECUTION, x);
        grids.addWorkerGrid("graph.kernel", new WorkerGrid1D(16));
        assertThatThrownBy(() -> {
                    addKernel.accept(x);
                    graph.transferToHost(DataTransferMode.EVERY_EXECUTION, x);
                    try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
                        BatchNormTasks.configure(plan, grids, Layers.DEVICE)
                                .withCompilerFlags(TornadoVMBackendType.OPENCL, openClFlags)
                                .execute();
                    }
                })
                .isInstanceOf(RuntimeException.class);
        assertThat(x.toHeapArray()).as("no sequential Java ran").containsOnly(5);
    }
}

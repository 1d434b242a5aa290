package org.batchnorm.tornadovm;

import java.util.List;
import java.util.function.Consumer;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.data.ElementType;
import org.batchnorm.spi.Activation;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/** Has every kernel compiled for every layout, and says before TornadoVM prints them which are to come. */
final class GeneratedCodeMain {
    /** What operations are called whose sums are not in pairs of float32. */
    static final String IN_FLOAT64 = "InFloat64";

    /** What operations of layers with activations begin with, or have after {@link #OF_FLOAT64}. */
    static final String ACTIVATED = "activated";

    /** What operations of layers begin with, or have after {@link #OF_FLOAT64}, whose backward is given y. */
    static final String IN_PLACE = "inPlace";

    /** What operations of layers of FLOAT64 begin with. */
    static final String OF_FLOAT64 = "ofFloat64";

    private GeneratedCodeMain() {}

    public static void main(String[] arguments) throws Exception {
        for (GeneratedCodeTest.Layout layout : GeneratedCodeTest.Layout.values()) {
            FloatArray x = new FloatArray(Math.toIntExact(layout.shape.elements()));
            FloatArray dy = new FloatArray(x.getSize());
            FloatArray out = new FloatArray(x.getSize());
            FloatArray residual = new FloatArray(x.getSize());
            DoubleArray moments = Summaries.array(layout.shape.c());
            DoubleArray summary = Summaries.array(layout.shape.c());
            compile(layout, "training", x, out, pieces -> {
                pieces.forward(x, out);
                pieces.backward(x, dy, out);
            });
            compile(layout, ACTIVATED + "Training", x, out, pieces -> {
                pieces.forward(x, out);
                pieces.backward(x, dy, out);
            });
            compile(layout, ACTIVATED + "FrozenBackward", x, out, pieces -> pieces.frozenBackward(x, dy, out));
            compile(layout, ACTIVATED + "Residual", x, out, pieces -> {
                pieces.forward(x, residual, out);
                pieces.residualGradient(out, dy, residual);
            });
            for (String sums : List.of("", IN_FLOAT64)) {
                compile(layout, IN_PLACE + "Backward" + sums, x, out, pieces -> pieces.backward(x, dy, out));
                compile(layout, IN_PLACE + "Frozen" + sums, x, out, pieces -> pieces.frozenBackward(x, dy, out));
                compile(
                        layout,
                        IN_PLACE + "Part" + sums,
                        x,
                        out,
                        pieces -> pieces.reduceGradients(x, dy, moments, summary));
            }
            compile(layout, "frozenForward", x, out, pieces -> pieces.frozenForward(x, out));
            compile(layout, "frozenBackward", x, out, pieces -> pieces.frozenBackward(x, dy, out));
            compile(layout, "inference", x, out, pieces -> pieces.inference(x, out));
            compile(layout, "steps", x, out, pieces -> {
                pieces.collectStatistics(x, summary);
                pieces.mergeStatistics(summary);
                pieces.transform(x, out);
                pieces.reduceGradients(x, dy, summary);
                pieces.mergeGradients(summary);
            });
            compile(layout, "part", x, out, pieces -> pieces.reduceGradients(x, dy, moments, summary));
            compile(layout, "backward" + IN_FLOAT64, x, out, pieces -> pieces.backward(x, dy, out));
            compile(layout, "frozenBackward" + IN_FLOAT64, x, out, pieces -> pieces.frozenBackward(x, dy, out));
            compile(layout, "part" + IN_FLOAT64, x, out, pieces -> pieces.reduceGradients(x, dy, moments, summary));
            if (!layout.onChip()) {
                compileOfFloat64(layout);
            }
        }
    }

    private static void compileOfFloat64(GeneratedCodeTest.Layout layout) throws Exception {
        DoubleArray x = new DoubleArray(Math.toIntExact(layout.shape.elements()));
        DoubleArray dy = new DoubleArray(x.getSize());
        DoubleArray out = new DoubleArray(x.getSize());
        DoubleArray residual = new DoubleArray(x.getSize());
        DoubleArray moments = Summaries.array(layout.shape.c(), ElementType.FLOAT64);
        DoubleArray summary = Summaries.array(layout.shape.c(), ElementType.FLOAT64);
        for (String kind : List.of(OF_FLOAT64, OF_FLOAT64 + ACTIVATED)) {
            compile(layout, kind + "Training", x, out, pieces -> {
                pieces.forward(x, out);
                pieces.backward(x, dy, out);
            });
            compile(layout, kind + "Frozen", x, out, pieces -> {
                pieces.frozenForward(x, out);
                pieces.frozenBackward(x, dy, out);
            });
            compile(layout, kind + "Inference", x, out, pieces -> pieces.inference(x, out));
        }
        compile(layout, OF_FLOAT64 + ACTIVATED + "Residual", x, out, pieces -> {
            pieces.forward(x, residual, out);
            pieces.residualGradient(out, dy, residual);
        });
        compile(layout, OF_FLOAT64 + IN_PLACE + "Backward", x, out, pieces -> pieces.backward(x, dy, out));
        compile(layout, OF_FLOAT64 + IN_PLACE + "Frozen", x, out, pieces -> pieces.frozenBackward(x, dy, out));
        compile(layout, OF_FLOAT64 + "Part", x, out, pieces -> pieces.reduceGradients(x, dy, moments, summary));
    }

    private static void compile(
            GeneratedCodeTest.Layout layout,
            String operations,
            TornadoNativeArray x,
            TornadoNativeArray out,
            Consumer<Pieces> adder)
            throws Exception {
        System.out.println("=== " + layout + " " + operations);
        DeviceLimits limits = layout.limits.withFastFloat64(operations.endsWith(IN_FLOAT64));
        BatchNormConfig config = BatchNormConfig.of(layout.shape.c());
        if (operations.startsWith(OF_FLOAT64)) {
            config = new BatchNormConfig(
                    config.features(), config.eps(), config.momentum(), true, true, ElementType.FLOAT64);
        }
        BatchNormTasksBuilder builder = BatchNormTasks.builder("norm", config, layout.shape);
        if (operations.contains(ACTIVATED)) {
            builder.inputActivation(Activation.leakyRelu(0.01)).activation(Activation.relu());
        }
        if (operations.contains(IN_PLACE)) {
            builder.activation(Activation.leakyRelu(0.01)).recomputeInputFromOutput(true);
        }
        BatchNormTasks norm = builder.build(limits);
        TaskGraph graph = new TaskGraph(operations);
        GridScheduler grids = new GridScheduler();
        graph.transferToDevice(DataTransferMode.EVERY_EXECUTION, x);
        adder.accept(norm.on(graph, grids));
        graph.transferToHost(DataTransferMode.EVERY_EXECUTION, out);
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
            plan.withGridScheduler(grids).withPreCompilation();
        }
    }
}

package org.batchnorm.tornadovm;

import java.util.Map;
import java.util.OptionalDouble;
import java.util.function.Consumer;
import org.batchnorm.BatchNormConfig;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.float64.Inputs;
import org.batchnorm.float64.Outputs;
import org.batchnorm.state.Tensor;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.TornadoExecutionResult;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;

/** A layer of FLOAT64 with what it is given, and one graph. */
final class Float64Step {
    final Inputs in;
    final BatchNormTasks norm;
    final SampleCount samples;
    final DoubleArray x;
    final DoubleArray dy;
    final DoubleArray residual;
    final DoubleArray y;
    final DoubleArray dx;
    final DoubleArray dresidual;

    Float64Step(Inputs in, DeviceLimits limits) {
        this.in = in;
        int c = in.shape().c();
        int length = in.x().length;
        norm = BatchNormTasks.builder("norm", config(in.shape()), in.shape())
                .inputActivation(in.activations().input())
                .activation(in.activations().output())
                .build(limits);
        samples = SampleCount.atMost(Math.toIntExact(in.shape().n()));
        x = array(in.x());
        dy = array(in.dy());
        residual = in.residual() == null ? new DoubleArray(length) : array(in.residual());
        y = new DoubleArray(length);
        dx = new DoubleArray(length);
        dresidual = new DoubleArray(length);
        for (int i = 0; i < c; i++) {
            norm.doubleParameters().set(i, in.gamma()[i]);
            norm.doubleParameters().set(c + i, in.beta()[i]);
            if (in.mean() != null && in.variance() != null) {
                norm.doubleRunningStatistics().set(i, in.mean()[i]);
                norm.doubleRunningStatistics().set(c + i, in.variance()[i]);
            }
        }
    }

    /** Runs a training step; the arrays travel to the device and back. */
    void train(Consumer<Pieces> operation, Object... arrays) throws Exception {
        run(operation, true, arrays);
    }

    /** Trains without a residual. */
    void forwardAndBackward() throws Exception {
        train(
                pieces -> {
                    pieces.forward(x, y);
                    pieces.backward(x, dy, dx);
                },
                x,
                y,
                dy,
                dx);
    }

    /** Runs something else; returns the layer's state. */
    Map<String, Tensor> run(Consumer<Pieces> operation, Object... arrays) throws Exception {
        return run(operation, false, arrays);
    }

    private Map<String, Tensor> run(Consumer<Pieces> operation, boolean training, Object... arrays) throws Exception {
        TaskGraph graph = new TaskGraph("graph").transferToDevice(DataTransferMode.EVERY_EXECUTION, arrays);
        GridScheduler grids = new GridScheduler();
        operation.accept(norm.on(graph, grids, samples));
        graph.transferToHost(DataTransferMode.EVERY_EXECUTION, arrays);
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
            BatchNormTasks.configure(plan, grids, Layers.DEVICE);
            TornadoExecutionResult result = plan.execute();
            if (training) {
                result.transferToHost(norm.doubleStatistics());
                result.transferToHost(norm.doubleGradients());
            }
            return norm.state(result);
        }
    }

    Outputs outputs() {
        int c = in.shape().c();
        Outputs out = new Outputs();
        out.y = valuesOf(y);
        out.dx = valuesOf(dx);
        out.dresidual = in.residual() == null ? null : valuesOf(dresidual);
        out.mean = row(norm.doubleStatistics(), 0, c);
        out.variance = row(norm.doubleStatistics(), 2, c);
        out.rstd = row(norm.doubleStatistics(), 3, c);
        out.dgamma = row(norm.doubleGradients(), 0, c);
        out.dbeta = row(norm.doubleGradients(), 1, c);
        return out;
    }

    static BatchNormConfig config(BatchShape shape) {
        return new BatchNormConfig(shape.c(), 1e-5, OptionalDouble.of(0.25), true, true, ElementType.FLOAT64);
    }

    static double[] valuesOf(DoubleArray array) {
        return row(array, 0, array.getSize());
    }

    static double[] row(DoubleArray array, int row, int length) {
        double[] values = new double[length];
        for (int i = 0; i < length; i++) {
            values[i] = array.get(row * length + i);
        }
        return values;
    }

    static DoubleArray array(double... values) {
        return DoubleArray.fromArray(values);
    }
}

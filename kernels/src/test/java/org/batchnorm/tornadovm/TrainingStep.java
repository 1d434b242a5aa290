package org.batchnorm.tornadovm;

import java.util.function.IntToDoubleFunction;
import org.batchnorm.data.BatchShape;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.exceptions.TornadoExecutionPlanException;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/** Forward and backward of one shape, compiled once and run on one batch after another. */
final class TrainingStep implements AutoCloseable {
    final BatchShape shape;
    final BatchNormTasks norm;
    final FloatArray x;
    final FloatArray dy;
    final FloatArray y;
    final FloatArray dx;
    private final TornadoExecutionPlan plan;

    TrainingStep(BatchShape shape, DeviceLimits limits) {
        this.shape = shape;
        norm = Layers.layer(shape, limits);
        x = Layers.filled(shape.elements(), 0);
        dy = Layers.filled(shape.elements(), 0);
        y = Layers.filled(shape.elements(), Float.NaN);
        dx = Layers.filled(shape.elements(), Float.NaN);
        TaskGraph graph = new TaskGraph("step").transferToDevice(DataTransferMode.EVERY_EXECUTION, x, dy);
        GridScheduler grids = new GridScheduler();
        norm.on(graph, grids).forward(x, y);
        norm.on(graph, grids).backward(x, dy, dx);
        graph.transferToHost(DataTransferMode.EVERY_EXECUTION, y, dx);
        plan = BatchNormTasks.configure(new TornadoExecutionPlan(graph.snapshot()), grids, Layers.DEVICE);
    }

    /** Sets the inputs by their places in memory and runs. */
    void run(IntToDoubleFunction valueOfX, IntToDoubleFunction valueOfDy) {
        for (int i = 0; i < x.getSize(); i++) {
            x.set(i, (float) valueOfX.applyAsDouble(i));
            dy.set(i, (float) valueOfDy.applyAsDouble(i));
        }
        plan.execute().transferToHost(norm.statistics(), norm.gradients());
    }

    /** Every result is within the bar, feature by feature. */
    void check(String what) {
        Layers.Expected.training(norm, shape, x, dy).check(shape + ", " + what, norm, y, dx);
    }

    @Override
    public void close() throws TornadoExecutionPlanException {
        plan.close();
    }
}

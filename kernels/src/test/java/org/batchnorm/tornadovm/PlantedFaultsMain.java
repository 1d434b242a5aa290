package org.batchnorm.tornadovm;

import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.WorkerGrid;
import uk.ac.manchester.tornado.api.WorkerGrid1D;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/** Runs one kernel, right or with a fault that a checker of kernels is to find. */
final class PlantedFaultsMain {
    /** The kernels, by the argument that chooses them. */
    enum Fault {
        /** Each work-group reverses its values by way of local memory. */
        NONE,
        /** The same without the barrier between writing and reading. */
        MISSING_BARRIER,
        /** All work-items write their values to one place. */
        RACE
    }

    private static final int GROUP = 64;
    private static final int VALUES = 2 * GROUP;

    private PlantedFaultsMain() {}

    public static void main(String[] arguments) throws Exception {
        FloatArray x = new FloatArray(VALUES);
        FloatArray y = new FloatArray(VALUES);
        for (int i = 0; i < VALUES; i++) {
            x.set(i, i);
            y.set(i, -1);
        }
        KernelContext context = new KernelContext();
        TaskGraph graph = new TaskGraph("planted").transferToDevice(DataTransferMode.EVERY_EXECUTION, x, y);
        switch (Fault.valueOf(arguments[0])) {
            case NONE -> graph.task("kernel", PlantedFaultsMain::reverse, context, x, y);
            case MISSING_BARRIER -> graph.task("kernel", PlantedFaultsMain::reverseWithoutBarrier, context, x, y);
            case RACE -> graph.task("kernel", PlantedFaultsMain::allToOnePlace, context, x, y);
        }
        graph.transferToHost(DataTransferMode.EVERY_EXECUTION, y);
        WorkerGrid grid = new WorkerGrid1D(VALUES);
        grid.setLocalWork(GROUP, 1, 1);
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
            plan.withGridScheduler(new GridScheduler("planted.kernel", grid)).execute();
        }
        System.out.println("executed, y begins with " + y.get(0));
    }

    static void reverse(KernelContext context, FloatArray x, FloatArray y) {
        float[] kept = context.allocateFloatLocalArray(GROUP);
        kept[context.localIdx] = x.get(context.globalIdx);
        context.localBarrier();
        y.set(context.globalIdx, kept[GROUP - 1 - context.localIdx]);
    }

    static void reverseWithoutBarrier(KernelContext context, FloatArray x, FloatArray y) {
        float[] kept = context.allocateFloatLocalArray(GROUP);
        kept[context.localIdx] = x.get(context.globalIdx);
        y.set(context.globalIdx, kept[GROUP - 1 - context.localIdx]);
    }

    static void allToOnePlace(KernelContext context, FloatArray x, FloatArray y) {
        y.set(0, x.get(context.globalIdx));
    }
}

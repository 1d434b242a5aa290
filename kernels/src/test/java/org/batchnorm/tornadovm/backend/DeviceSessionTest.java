package org.batchnorm.tornadovm.backend;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.BackendUnavailableException;
import org.batchnorm.tornadovm.backend.HostPlan.Operation;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.WorkerGrid;
import uk.ac.manchester.tornado.api.WorkerGrid1D;
import uk.ac.manchester.tornado.api.WorkerGrid3D;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.exceptions.TornadoExecutionPlanException;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/** The plans of a device: kept, dropped, closed, and what becomes of those that fail. */
class DeviceSessionTest {
    private static final Devices.Device DEVICE = Devices.find().choose(Optional.empty());

    private final List<HostPlan> built = new ArrayList<>();
    private final DeviceSession session = new DeviceSession(DEVICE, 2, key -> {
        HostPlan plan = new HostPlan(key, DEVICE);
        built.add(plan);
        return plan;
    });

    @AfterEach
    void close() {
        session.close();
    }

    private static HostPlan.Key inference(int features, TransferBuffer x) {
        BatchShape capacity = HostPlan.capacity("shape", BatchShape.of(10, features));
        return new HostPlan.Key(Operation.INFERENCE, capacity, 1e-5, x, null, null);
    }

    private void run(HostPlan.Key key) {
        session.run(() -> key, plan -> plan.samples(10), plan -> {});
    }

    @Test
    void plansAreKeptAndTheLeastRecentlyUsedGoesFirst() {
        long before = DeviceSession.preparationNanos();
        run(inference(1, null));
        assertThat(DeviceSession.preparationNanos()).isGreaterThan(before);
        run(inference(2, null));
        run(inference(1, null));
        run(inference(3, null));
        assertThat(built).hasSize(3);
        assertThat(session.plans()).isEqualTo(2);
        assertThatThrownBy(built.get(1)::execute)
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("closed");
        run(inference(1, null));
        assertThat(built).as("still kept").hasSize(3);
    }

    @Test
    void aPlanThatWasClosedUnderneathFailsOnceAndIsReplaced() throws TornadoExecutionPlanException {
        run(inference(1, null));
        built.getFirst().close();
        assertThatThrownBy(() -> run(inference(1, null)))
                .isInstanceOf(BackendUnavailableException.class)
                .hasMessageContaining("inference")
                .hasMessageContaining("the plan is closed")
                .hasMessageContaining("open the backend anew");
        run(inference(1, null));
        assertThat(built).hasSize(2);
    }

    /** A driver that refuses a work-group (no device takes so many along the third axis) is printed and passed over. */
    @Test
    void aKernelThatTheDriverRefusesDoesNotPassForAResult() {
        run(inference(1, null));
        GridScheduler grids = built.getFirst().grids();
        long[] global = grids.get("inference.norm_inference").getGlobalWork();
        WorkerGrid refused = new WorkerGrid3D((int) global[0], (int) global[1], 1);
        refused.setLocalWork(1, 1, 128);
        grids.addWorkerGrid("inference.norm_inference", refused);
        List<HostPlan> read = new ArrayList<>();
        assertThatThrownBy(() -> session.run(() -> inference(1, null), plan -> {}, read::add))
                .isInstanceOf(BackendUnavailableException.class)
                .hasMessageContaining("ran 0 of 1 kernels")
                .hasMessageContaining("result is discarded");
        assertThat(read).as("nothing was handed out").isEmpty();
        assertThat(session.plans()).isZero();
    }

    @Test
    void aKernelThatDoesNotCompileFailsLoudly() {
        FloatArray x = FloatArray.fromElements(1, 2, 3, 4);
        FloatArray y = FloatArray.fromElements(-1, -1, -1, -1);
        DeviceSession broken = new DeviceSession(DEVICE, 2, key -> {
            KernelContext context = new KernelContext();
            TaskGraph graph = new TaskGraph("broken")
                    .transferToDevice(DataTransferMode.EVERY_EXECUTION, x)
                    .task("kernel", DeviceSessionTest::brokenKernel, context, x, y)
                    .transferToHost(DataTransferMode.EVERY_EXECUTION, y);
            TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot());
            plan.withDevice(DEVICE.handle())
                    .withGridScheduler(new GridScheduler("broken.kernel", new WorkerGrid1D(4)))
                    .execute();
            throw new AssertionError("the broken kernel was executed");
        });
        try {
            assertThatThrownBy(() -> broken.run(() -> inference(1, null), plan -> {}, plan -> {}))
                    .isInstanceOf(BackendUnavailableException.class)
                    .hasMessageContaining("its kernels do not compile")
                    .hasMessageContaining("-Dtornado.printKernel=True")
                    .hasMessageNotContaining("was executed");
            assertThat(y.toHeapArray()).as("nothing ran in its place").containsOnly(-1);
        } finally {
            broken.close();
        }
    }

    /** A device has no strings. */
    static void brokenKernel(KernelContext context, FloatArray x, FloatArray y) {
        int i = context.globalIdx;
        String text = "x" + x.get(i);
        y.set(i, text.length());
    }

    @Test
    void closingABufferClosesThePlansThatWorkOnIt() {
        DeviceSession shared = DeviceSession.open(DEVICE);
        try {
            int before = shared.plans();
            try (TransferBuffer buffer = TransferBuffer.allocate(BatchShape.of(10, 1))) {
                shared.run(() -> inference(1, buffer), plan -> plan.samples(10), plan -> {});
                assertThat(shared.plans()).isEqualTo(before + 1);
            }
            assertThat(shared.plans()).isEqualTo(before);
        } finally {
            shared.close();
        }
    }
}

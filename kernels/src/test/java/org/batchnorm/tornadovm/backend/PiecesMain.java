package org.batchnorm.tornadovm.backend;

import org.batchnorm.BatchNormConfig;
import org.batchnorm.data.BatchShape;
import org.batchnorm.tornadovm.BatchNormTasks;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.common.TornadoDevice;

/** Asks for the pieces on a device. */
final class PiecesMain {
    private PiecesMain() {}

    public static void main(String[] arguments) {
        TornadoDevice device = TornadoExecutionPlan.getDevice(0, 0);
        try {
            BatchNormTasks norm = new BatchNormTasks("norm", BatchNormConfig.of(3), BatchShape.of(4, 3), device);
            System.out.println("created " + norm.prefix());
        } catch (IllegalArgumentException | IllegalStateException e) {
            System.out.println("refused: " + e.getMessage());
        }
    }
}

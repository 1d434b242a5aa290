package org.batchnorm.tornadovm.backend;

import org.batchnorm.BatchNormConfig;
import org.batchnorm.BatchShape;
import org.batchnorm.tornadovm.BatchNormTasks;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;

/** Asks for the pieces on a device. */
final class PiecesMain {
    private PiecesMain() {}

    public static void main(String[] arguments) {
        try {
            BatchNormTasks norm = new BatchNormTasks(
                    "norm", BatchNormConfig.of(3), BatchShape.of(4, 3), TornadoExecutionPlan.getDevice(0, 0));
            System.out.println("created " + norm.prefix());
        } catch (IllegalArgumentException e) {
            System.out.println("refused: " + e.getMessage());
        }
    }
}

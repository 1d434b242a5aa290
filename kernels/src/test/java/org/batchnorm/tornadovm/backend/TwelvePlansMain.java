package org.batchnorm.tornadovm.backend;

import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.batchnorm.data.BatchShape;
import org.batchnorm.tornadovm.backend.HostPlan.Operation;

/** Opens and closes 12 plans, more than twice what the device's memory holds at once. */
final class TwelvePlansMain {
    private TwelvePlansMain() {}

    public static void main(String[] arguments) throws Exception {
        Devices.Device device = Devices.find().choose(Optional.empty());
        BatchShape capacity = HostPlan.capacity("shape", BatchShape.of(4096, 256));
        Set<Long> used = new TreeSet<>();
        for (int i = 0; i < 12; i++) {
            HostPlan plan = new HostPlan(
                    new HostPlan.Key(Operation.COLLECT_STATISTICS, capacity, 1e-5, null, null, null), device);
            plan.execute();
            plan.execute();
            used.add(plan.deviceMemory());
            plan.close();
        }
        System.out.println("memory usage: " + used);
    }
}

package org.batchnorm.tornadovm.backend;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** A session on the device that is chosen by default, and the plans that it has built, in order. */
final class RecordedPlans {
    final List<HostPlan> built = new ArrayList<>();

    /** Builds nothing yet. Whoever closes the operations closes the session. */
    TornadoOperations open() {
        Devices.Device device = Devices.find().choose(Optional.empty());
        DeviceSession session = new DeviceSession(device, 4, key -> {
            HostPlan plan = new HostPlan(key, device);
            built.add(plan);
            return plan;
        });
        return new TornadoOperations(session, 0);
    }
}

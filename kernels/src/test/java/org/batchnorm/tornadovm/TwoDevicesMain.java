package org.batchnorm.tornadovm;

import java.util.List;
import java.util.stream.IntStream;
import uk.ac.manchester.tornado.api.TornadoBackend;
import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.runtime.TornadoRuntimeProvider;

/** Layers on the first two devices of the first driver, which meet on the host. */
final class TwoDevicesMain {
    private TwoDevicesMain() {}

    public static void main(String[] arguments) throws Exception {
        TornadoBackend backend = TornadoRuntimeProvider.getTornadoRuntime().getBackend(0);
        if (backend.getNumDevices() < 2) {
            System.out.println("one device only");
            return;
        }
        List<TornadoDevice> devices =
                IntStream.range(0, 2).mapToObj(backend::getDevice).toList();
        devices.forEach(
                device -> System.out.println("on " + device.getPhysicalDevice().getDeviceName()));
        for (Meeting.Cut cut : Meeting.Cut.forTwoDevices()) {
            Meeting.check(cut, devices.get(0), devices.get(1));
        }
        System.out.println(
                "they are one layer in " + Meeting.Cut.forTwoDevices().size() + " batches");
    }
}

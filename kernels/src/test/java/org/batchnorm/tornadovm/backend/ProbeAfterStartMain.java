package org.batchnorm.tornadovm.backend;

import uk.ac.manchester.tornado.api.runtime.TornadoRuntimeProvider;

/** Probes where the application has started TornadoVM before. */
final class ProbeAfterStartMain {
    private ProbeAfterStartMain() {}

    public static void main(String[] arguments) {
        TornadoRuntimeProvider.getTornadoRuntime().getDefaultDevice();
        ProbeMain.main(arguments);
    }
}

package org.batchnorm.bench.tornadovm.resident;

import uk.ac.manchester.tornado.api.common.TornadoDevice;
import uk.ac.manchester.tornado.api.enums.TornadoVMBackendType;

/**
 * CUDA graphs: all that an execution starts, copies included, recorded once and started again as one thing. A replay
 * reads host memory anew and has the grids and the scalars of the recording.
 */
public final class CudaGraphs {
    private CudaGraphs() {}

    /** Whether TornadoVM's backend of the device records them. */
    public static boolean recordedOn(TornadoDevice device) {
        TornadoVMBackendType backend = device.getTornadoVMBackend();
        return backend == TornadoVMBackendType.PTX || backend == TornadoVMBackendType.CUDA;
    }
}

/**
 * The backend {@code tornadovm} for data in host memory. {@link org.batchnorm.tornadovm.backend.TornadoBackend} is the
 * provider: it loads without TornadoVM and says what is missing. Opened, it uses a device session, which caches
 * execution plans built from the task-graph pieces of {@link org.batchnorm.tornadovm}, copies the batch to the device
 * and the result back. {@link org.batchnorm.tornadovm.backend.TransferBuffer} saves the copies between host arrays.
 *
 * <pre>
 * TornadoBackend ── Prerequisites        is TornadoVM there? (no TornadoVM class is touched)
 *       │     └──── Devices              what devices are there?
 *       └─ TornadoOperations ── DeviceSession ── HostPlan ── BatchNormTasks
 *              checks, copies      thread, cache     one operation, compiled
 * </pre>
 */
@NullMarked
package org.batchnorm.tornadovm.backend;

import org.jspecify.annotations.NullMarked;

package org.batchnorm.tornadovm.backend;

import org.batchnorm.spi.BackendUnavailableException;
import org.jspecify.annotations.Nullable;
import uk.ac.manchester.tornado.api.exceptions.TornadoDeviceFP64NotSupported;
import uk.ac.manchester.tornado.api.exceptions.TornadoMemoryException;
import uk.ac.manchester.tornado.api.exceptions.TornadoOutOfMemoryException;

/** What TornadoVM and its drivers throw, told as what happened and what to do. */
final class Faults {
    private static final String ON_ANOTHER_BACKEND =
            "or choose a CPU backend (-Dorg.batchnorm.backend=vector, or auto, which falls back by itself)";

    /** What libnvrtc opens when it compiles, and not before. */
    private static final String NVRTC_BUILTINS = "libnvrtc-builtins";

    private Faults() {}

    /** A failure while an operation's kernels were built and compiled. */
    static BackendUnavailableException whilePreparing(HostPlan.Operation operation, String device, Throwable failure) {
        if (isOutOfMemory(failure)) {
            return outOfMemory(operation, device, failure);
        }
        if (has(failure, TornadoDeviceFP64NotSupported.class)) {
            return new BackendUnavailableException(
                    name(operation, device)
                            + ": the device has no float64, in which statistics are accumulated; choose another device "
                            + ON_ANOTHER_BACKEND,
                    failure);
        }
        String said = rootMessage(failure);
        String remedy = said.contains(NVRTC_BUILTINS)
                ? "put the CUDA toolkit's " + NVRTC_BUILTINS + ", of that version, into the folder of libnvrtc, "
                : "please report this with the output of -Dtornado.debug=True -Dtornado.printKernel=True, ";
        return new BackendUnavailableException(
                name(operation, device) + ": its kernels do not compile: " + said + "; " + remedy + ON_ANOTHER_BACKEND,
                failure);
    }

    /** A failure while a compiled operation ran. */
    static BackendUnavailableException whileExecuting(HostPlan.Operation operation, String device, Throwable failure) {
        if (isOutOfMemory(failure)) {
            return outOfMemory(operation, device, failure);
        }
        return new BackendUnavailableException(
                name(operation, device) + ": the execution failed: " + rootMessage(failure)
                        + "; open the backend anew if the device still works (scripts/batchnorm devices), "
                        + ON_ANOTHER_BACKEND,
                failure);
    }

    /** The device did not do all of the work, and the driver's error was not passed on to Java. */
    static BackendUnavailableException unfinished(HostPlan.Operation operation, String device, int ran, int kernels) {
        return new BackendUnavailableException(name(operation, device) + ": the device ran "
                + (ran < 0 || ran > kernels ? "none" : ran) + " of " + kernels
                + " kernels: it was lost, or refused one (the driver's error code is on the standard output); the result is discarded;"
                + " open the backend anew if the device still works (scripts/batchnorm devices), "
                + ON_ANOTHER_BACKEND);
    }

    static boolean isOutOfMemory(Throwable failure) {
        return has(failure, TornadoOutOfMemoryException.class) || has(failure, TornadoMemoryException.class);
    }

    private static BackendUnavailableException outOfMemory(
            HostPlan.Operation operation, String device, Throwable failure) {
        return new BackendUnavailableException(
                name(operation, device) + ": out of device memory: " + rootMessage(failure)
                        + "; allow TornadoVM more (-Dtornado.device.memory=16GB; it takes 4GB unless told otherwise), give smaller batches, "
                        + ON_ANOTHER_BACKEND,
                failure);
    }

    private static String name(HostPlan.Operation operation, String device) {
        return operation + " on TornadoVM device " + device;
    }

    private static boolean has(Throwable failure, Class<? extends Throwable> kind) {
        for (@Nullable Throwable cause = failure; cause != null; cause = cause.getCause()) {
            if (kind.isInstance(cause)) {
                return true;
            }
        }
        return false;
    }

    /** The innermost message, without terminal colours, line breaks and the stack trace that TornadoVM appends. */
    static String rootMessage(Throwable failure) {
        Throwable root = failure;
        for (@Nullable Throwable cause = failure; cause != null; cause = cause.getCause()) {
            root = cause;
        }
        @Nullable String message = root.getMessage();
        String text = message == null || message.isBlank() ? root.getClass().getSimpleName() : message;
        return text.replaceAll("\u001B\\[[0-9;]*m", "")
                .replaceAll("\\s+", " ")
                .replaceFirst("Stacktrace: \\[.*] ?$", "")
                .strip();
    }
}

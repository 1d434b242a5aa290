package org.batchnorm.spi;

/**
 * A backend or device that was asked for by name cannot be used, or failed while in use. The message says why and what
 * to do.
 */
public final class BackendUnavailableException extends IllegalStateException {
    private static final long serialVersionUID = 1L;

    /** With the reason and the remedy as message. */
    public BackendUnavailableException(String message) {
        super(message);
    }

    /** With the reason and the remedy as message, and what failed underneath. */
    public BackendUnavailableException(String message, Throwable cause) {
        super(message, cause);
    }
}

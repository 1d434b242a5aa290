package org.batchnorm.spi;

/**
 * A backend does not take an element type, of a batch or of a layer. The message names what was given, the backend, the
 * reason and what would do; nothing was changed. Who runs the same work on several backends can tell by it what one of
 * them cannot do from what it does wrong.
 */
public final class ElementTypeRefusedException extends IllegalArgumentException {
    private static final long serialVersionUID = 1;

    /** With the whole message. */
    public ElementTypeRefusedException(String message) {
        super(message);
    }
}

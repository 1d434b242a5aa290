package org.batchnorm.bench.experiments.data;

import java.io.IOException;

/** A file of data is not what its format says. The message names the file, what was found and what would be right. */
public final class DataFormatException extends IOException {
    private static final long serialVersionUID = 1L;

    /** With the message. */
    public DataFormatException(String message) {
        super(message);
    }

    /** With the message, and what failed underneath. */
    public DataFormatException(String message, Throwable cause) {
        super(message, cause);
    }
}

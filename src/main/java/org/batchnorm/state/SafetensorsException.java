package org.batchnorm.state;

import java.io.IOException;
import java.nio.file.Path;

/**
 * A file that is no well-formed safetensors file, or whose contents are not what was asked for. The message names the
 * file, the tensor, the value and what would be right.
 */
public final class SafetensorsException extends IOException {
    private static final long serialVersionUID = 1L;

    /** With the file and what is wrong in it. */
    public SafetensorsException(Path file, String problem) {
        super(file + ": " + problem);
    }

    /** With the file, what is wrong in it, and the failure that told. */
    public SafetensorsException(Path file, String problem, Throwable cause) {
        super(file + ": " + problem, cause);
    }
}

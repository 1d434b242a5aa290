package org.batchnorm.state;

import java.io.IOException;
import java.nio.file.Path;

/**
 * A file is no well-formed safetensors file, or its contents are not what was asked for. The message names the file,
 * the tensor, the wrong value and what would be right.
 */
public final class SafetensorsException extends IOException {
    private static final long serialVersionUID = 1L;
    private static final int MAX_QUOTED = 100;

    /**
     * A problem with the whole file.
     *
     * @param problem what is wrong in it
     */
    public SafetensorsException(Path file, String problem) {
        super(file + ": " + problem);
    }

    /**
     * A problem that showed as another failure.
     *
     * @param problem what is wrong in the file
     * @param cause the failure that showed it
     */
    public SafetensorsException(Path file, String problem, Throwable cause) {
        super(file + ": " + problem, cause);
    }

    /** A problem with one tensor. */
    static SafetensorsException ofTensor(Path file, String name, String problem) {
        return new SafetensorsException(file, of(name, problem));
    }

    /** A problem with one tensor that showed as another failure. */
    static SafetensorsException ofTensor(Path file, String name, String problem, Throwable cause) {
        return new SafetensorsException(file, of(name, problem), cause);
    }

    private static String of(String name, String problem) {
        return "tensor \"" + quoted(name) + "\": " + problem;
    }

    /** A text from a file, short enough for a message. */
    static String quoted(String text) {
        return text.length() <= MAX_QUOTED ? text : text.substring(0, MAX_QUOTED) + "…";
    }
}

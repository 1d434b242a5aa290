package org.batchnorm.bench.output;

import java.io.BufferedOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;

/** Writes a file whole or not at all: into a temporary one beside it, which then takes its place. */
public final class AtomicFile {
    private AtomicFile() {}

    /**
     * Writes a file, replacing one that is there.
     *
     * @param content writes the content to the stream that it is given; the stream is closed for it
     * @throws IOException if writing fails; what was at {@code target} is then still there
     */
    public static void write(Path target, Content content) throws IOException {
        Path temporary = target.resolveSibling("." + target.getFileName() + ".part");
        try {
            try (OutputStream out = new BufferedOutputStream(Files.newOutputStream(temporary))) {
                content.writeTo(out);
            }
            move(temporary, target);
        } finally {
            Files.deleteIfExists(temporary);
        }
    }

    private static void move(Path temporary, Path target) throws IOException {
        try {
            Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (AtomicMoveNotSupportedException e) {
            Files.move(temporary, target, StandardCopyOption.REPLACE_EXISTING);
        }
    }

    /** Writes the content of a file. */
    @FunctionalInterface
    public interface Content {

        /** Writes everything to the stream. */
        void writeTo(OutputStream out) throws IOException;
    }
}

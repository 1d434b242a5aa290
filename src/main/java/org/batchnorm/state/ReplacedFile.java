package org.batchnorm.state;

import java.io.BufferedOutputStream;
import java.io.FilterOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.OpenOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * Writes a file whole or not at all: a temporary file beside it is written first and then renamed. Symbolic links are
 * followed and stay, a file that was there keeps its permissions, and failures name the path that was given.
 */
public final class ReplacedFile {
    private static final Set<OpenOption> NEW = Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
    private static final int MOST_LINKS = 40;

    private ReplacedFile() {}

    /** Writes the contents of a file. */
    @FunctionalInterface
    public interface Contents {

        /** Writes everything to the stream, which is buffered, and closed by whoever gives it. */
        void writeTo(OutputStream out) throws IOException;
    }

    /**
     * Writes a file, replacing one that is there.
     *
     * @throws IOException if it cannot be written, with the path that was given; what was there before is then
     *     unchanged
     */
    public static void write(Path file, Contents contents) throws IOException {
        try {
            replace(target(file), contents);
        } catch (NoSuchFileException e) {
            throw withCause(new NoSuchFileException(file.toString(), null, "its folder does not exist"), e);
        } catch (AccessDeniedException e) {
            throw withCause(new AccessDeniedException(file.toString(), null, "its folder may not be written to"), e);
        } catch (IOException e) {
            String reason = e instanceof FileSystemException failure ? failure.getReason() : e.getMessage();
            throw withCause(new FileSystemException(file.toString(), null, "cannot be written: " + reason), e);
        }
    }

    private static IOException withCause(FileSystemException failure, IOException cause) {
        failure.initCause(cause);
        return failure;
    }

    /** Where the file is, behind all symbolic links; it need not exist. */
    private static Path target(Path file) throws IOException {
        // Asked first of what was given: the links of standard output and of pipes name no path that there is.
        if (Files.exists(file) && !Files.isRegularFile(file)) {
            String what = Files.isDirectory(file) ? "a folder" : "no regular file";
            throw new FileSystemException(file.toString(), null, "is " + what);
        }
        Path target = file.toAbsolutePath();
        for (int links = 0; Files.isSymbolicLink(target); links++) {
            if (links == MOST_LINKS) {
                throw new FileSystemException(file.toString(), null, "more than " + MOST_LINKS + " symbolic links");
            }
            target = target.resolveSibling(Files.readSymbolicLink(target));
        }
        return target;
    }

    private static void replace(Path target, Contents contents) throws IOException {
        Path temporary = target.resolveSibling("." + UUID.randomUUID() + ".tmp");
        @Nullable IOException failure = null;
        try {
            try (FileChannel channel = create(temporary, target)) {
                OutputStream out = new BufferedOutputStream(Channels.newOutputStream(channel));
                contents.writeTo(new Unclosed(out));
                out.flush();
                channel.force(true);
            }
            Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } catch (IOException e) {
            failure = e;
            throw e;
        } finally {
            deleteIfExists(temporary, failure);
        }
    }

    /** With the permissions of what is there already, nobody else can read it even while it is written. */
    private static FileChannel create(Path temporary, Path target) throws IOException {
        @Nullable PosixFileAttributeView old = Files.getFileAttributeView(target, PosixFileAttributeView.class);
        if (old == null || !Files.exists(target)) {
            return FileChannel.open(temporary, NEW);
        }
        Set<PosixFilePermission> permissions = old.readAttributes().permissions();
        FileAttribute<?> atCreation = PosixFilePermissions.asFileAttribute(permissions);
        FileChannel channel = FileChannel.open(temporary, NEW, atCreation);
        try {
            Files.setPosixFilePermissions(temporary, permissions); // those, too, that a new file would not get
        } catch (IOException e) {
            channel.close();
            throw e;
        }
        return channel;
    }

    private static void deleteIfExists(Path temporary, @Nullable IOException failure) throws IOException {
        try {
            Files.deleteIfExists(temporary);
        } catch (IOException e) {
            if (failure == null) {
                throw e;
            }
            failure.addSuppressed(e);
        }
    }

    /** A stream that stays open for what is still to be done to the file. */
    private static final class Unclosed extends FilterOutputStream {
        Unclosed(OutputStream out) {
            super(out);
        }

        @Override
        public void write(byte[] bytes, int offset, int length) throws IOException {
            out.write(bytes, offset, length);
        }

        @Override
        public void close() throws IOException {
            flush();
        }
    }
}

package org.batchnorm.state;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Where a file is written, what becomes of the one that was there, and what is refused before. */
class SafetensorsWriteTest {
    private static final Map<String, Tensor> TENSORS = Map.of("n", Tensor.ofLong(1));

    @TempDir
    Path folder;

    private boolean isPosix;

    @BeforeEach
    void look() {
        isPosix = folder.getFileSystem().supportedFileAttributeViews().contains("posix");
    }

    @Test
    void aSymbolicLinkStaysAndItsTargetIsReplaced() throws IOException {
        Path target =
                Files.writeString(Files.createDirectory(folder.resolve("real")).resolve("v1"), "old");
        Path middle = Files.createSymbolicLink(folder.resolve("middle"), Path.of("real", "v1"));
        Path link = Files.createSymbolicLink(folder.resolve("latest"), middle);
        Safetensors.write(link, TENSORS, Map.of());
        assertThat(link).isSymbolicLink();
        assertThat(middle).isSymbolicLink();
        assertThat(Safetensors.read(target).tensors()).isEqualTo(TENSORS);
        assertThat(children(target.getParent())).containsExactly(target);
    }

    @Test
    void aLinkToNothingMakesTheFile() throws IOException {
        Path link = Files.createSymbolicLink(folder.resolve("link"), Path.of("absent"));
        Safetensors.write(link, TENSORS, Map.of());
        assertThat(link).isSymbolicLink();
        assertThat(Safetensors.read(folder.resolve("absent")).tensors()).isEqualTo(TENSORS);
    }

    @Test
    void linksInACircleAreRefused() throws IOException {
        Path link = Files.createSymbolicLink(folder.resolve("a"), Path.of("b"));
        Files.createSymbolicLink(folder.resolve("b"), Path.of("a"));
        refused(link, "more than 40 symbolic links");
    }

    @ParameterizedTest
    @ValueSource(strings = {"rw-------", "rw-rw-rw-", "r--r--r--"})
    void theOldFilesPermissionsAreKept(String permissions) throws IOException {
        Assumptions.assumeTrue(isPosix);
        Path file = Files.writeString(folder.resolve("secret"), "old");
        Files.setPosixFilePermissions(file, PosixFilePermissions.fromString(permissions));
        Safetensors.write(file, TENSORS, Map.of());
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
                .isEqualTo(permissions);
        assertThat(Safetensors.read(file).tensors()).isEqualTo(TENSORS);
    }

    @Test
    void aNewFileHasTheUsualPermissions() throws IOException {
        Assumptions.assumeTrue(isPosix);
        Path usual = Files.writeString(folder.resolve("usual"), "text");
        Path file = folder.resolve("new");
        Safetensors.write(file, TENSORS, Map.of());
        assertThat(Files.getPosixFilePermissions(file)).isEqualTo(Files.getPosixFilePermissions(usual));
    }

    @ParameterizedTest
    @ValueSource(ints = {213, 214, 255})
    void longNamesAreTaken(int length) throws IOException {
        Path file = folder.resolve("n".repeat(length));
        Safetensors.write(file, TENSORS, Map.of());
        assertThat(Safetensors.read(file).tensors()).isEqualTo(TENSORS);
        assertThat(children(folder)).containsExactly(file);
    }

    // ---- failures

    @Test
    void failuresNameThePathThatWasGiven() throws IOException {
        refused(folder.resolve("n".repeat(256)), "cannot be written: ");
        refused(folder, "is a folder");
        refused(Files.createSymbolicLink(folder.resolve("link"), folder), "is a folder");
        Path absent = folder.resolve("absent").resolve("file");
        refused(absent, "its folder does not exist");
        assertThatThrownBy(() -> Safetensors.write(absent, TENSORS, Map.of())).isInstanceOf(NoSuchFileException.class);
        refused(Files.writeString(folder.resolve("file"), "").resolve("below"), "cannot be written: ");
    }

    @Test
    void whatIsNoRegularFileIsLeftAlone() {
        Path device = Path.of("/dev/null");
        Assumptions.assumeTrue(Files.exists(device));
        refused(device, "is no regular file");
        assertThat(Files.isRegularFile(device)).isFalse();
    }

    /** Linux shows what a process has open as links; those of pipes name no path. */
    @Test
    void aPipeIsNoRegularFile() throws IOException {
        Path open = Path.of("/proc/self/fd");
        Assumptions.assumeTrue(Files.isDirectory(open));
        List<Path> pipes = new ArrayList<>();
        for (Path link : children(open)) {
            if (Files.isSymbolicLink(link)
                    && Files.readSymbolicLink(link).toString().contains("pipe:")) {
                pipes.add(link);
            }
        }
        Assumptions.assumeFalse(pipes.isEmpty());
        pipes.forEach(pipe -> refused(pipe, "is no regular file"));
    }

    @Test
    void aFolderWithoutThePermissionIsNamed() throws IOException {
        Assumptions.assumeTrue(isPosix);
        Path closed = Files.createDirectory(folder.resolve("closed"));
        Files.setPosixFilePermissions(closed, PosixFilePermissions.fromString("r-xr-xr-x"));
        Assumptions.assumeFalse(Files.isWritable(closed), "may write everywhere");
        refused(closed.resolve("file"), "may not be written to");
        assertThatThrownBy(() -> Safetensors.write(closed.resolve("file"), TENSORS, Map.of()))
                .isInstanceOf(AccessDeniedException.class);
    }

    /** Half of it is there when it fails. */
    @Test
    void aFailureOnTheWayLeavesTheOldFileAndNothingBeside() throws IOException {
        Path file = Files.writeString(folder.resolve("file"), "old");
        assertThatThrownBy(() -> ReplacedFile.write(file, out -> {
                    out.write(new byte[100_000]);
                    throw new IOException("No space left on device");
                }))
                .isInstanceOf(FileSystemException.class)
                .hasMessage(file + ": cannot be written: No space left on device");
        assertThat(file).hasContent("old");
        assertThat(children(folder)).containsExactly(file);
    }

    /** As archives and pictures do that are written to a stream. */
    @Test
    void whoWritesTheContentsMayCloseTheStream() throws IOException {
        Path file = folder.resolve("file");
        ReplacedFile.write(file, out -> {
            out.write('a');
            out.close();
            out.write('b');
        });
        assertThat(file).hasContent("ab");
        assertThat(children(folder)).containsExactly(file);
    }

    private static void refused(Path file, String message) {
        assertThatThrownBy(() -> Safetensors.write(file, TENSORS, Map.of()))
                .isInstanceOf(FileSystemException.class)
                .hasMessageStartingWith(file + ": ")
                .hasMessageContaining(message)
                .hasMessageNotContaining(".tmp");
    }

    // ---- what could not be read again

    static Stream<Arguments> unreadable() {
        Tensor one = Tensor.ofLong(1);
        String key = "k".repeat(50_001);
        return Stream.of(
                arguments(Collections.singletonMap(null, one), Map.of(), "tensors: the name is null"),
                arguments(Collections.singletonMap("a", null), Map.of(), "tensors: null given for \"a\""),
                arguments(Map.of(key, one), Map.of(), "has 50001 characters, must have at most 50000"),
                arguments(Map.of("\ud800", one), Map.of(), "half of a surrogate pair"),
                arguments(Map.of(), Collections.singletonMap(null, "a"), "metadata: the key is null"),
                arguments(Map.of(), Collections.singletonMap("a", null), "metadata: the text of \"a\" is null"),
                arguments(Map.of(), Map.of(key, "a"), "metadata: the key \"kkk"),
                arguments(Map.of(), Map.of("a", "\udc00"), "metadata: the text of \"a\""),
                arguments(
                        Map.of(),
                        Map.of("a", "v".repeat(20_000_001)),
                        "has 20000001 characters, must have at most 20000000"));
    }

    @ParameterizedTest(name = "{2}")
    @MethodSource("unreadable")
    void whatCouldNotBeReadIsNotWritten(Map<String, Tensor> tensors, Map<String, String> metadata, String message)
            throws IOException {
        assertThatThrownBy(() -> Safetensors.write(folder.resolve("file"), tensors, metadata))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(message);
        assertThat(children(folder)).isEmpty();
    }

    @Test
    void tooMuchMetadataIsNotWritten() throws IOException {
        String text = "v".repeat(20_000_000);
        Map<String, String> metadata = Map.of("a", text, "b", text, "c", text, "d", text, "e", text);
        assertThatThrownBy(() -> Safetensors.write(folder.resolve("file"), TENSORS, metadata))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("their header has 1000001")
                .hasMessageContaining("must be at most 100000000");
        assertThat(children(folder)).isEmpty();
    }

    @Test
    void theLongestNamesAndTextsAreRead() throws IOException {
        Map<String, Tensor> tensors = Map.of("é".repeat(50_000), Tensor.ofLong(1));
        Map<String, String> metadata = Map.of("k".repeat(50_000), "v".repeat(20_000_000));
        Path file = folder.resolve("file");
        Safetensors.write(file, tensors, metadata);
        assertThat(Safetensors.read(file).tensors()).isEqualTo(tensors);
        assertThat(Safetensors.read(file).metadata()).isEqualTo(metadata);
    }

    private static List<Path> children(Path folder) throws IOException {
        try (Stream<Path> children = Files.list(folder)) {
            return children.toList();
        }
    }
}

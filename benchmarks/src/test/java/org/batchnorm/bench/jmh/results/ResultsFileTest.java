package org.batchnorm.bench.jmh.results;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import org.batchnorm.bench.jmh.results.Measurement.Point;
import org.batchnorm.bench.jmh.results.Measurement.Run;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Fusion;
import org.batchnorm.bench.workload.Operation;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ResultsFileTest {
    @TempDir
    Path folder;

    private final Run run = Rows.run("1");

    @Test
    void whatIsWrittenIsRead() {
        Path file = folder.resolve("new/results.jsonl");
        Measurement plain = Rows.ours(run, Operation.FORWARD, "32x64x56x56:channels-last", 2, 1.5);
        Point onDevice = new Point(
                Operation.BACKWARD,
                BenchShape.parse("65536x256"),
                "device",
                "batchnorm",
                "tornadovm",
                "NVIDIA H200",
                0,
                false,
                "kernel",
                "cold",
                "first",
                "float16",
                Fusion.RESIDUAL_LEAKY_RELU);
        Measurement full = new Measurement(
                onDevice,
                run,
                Rows.result(onDevice, 0.25)
                        .withCopyShare(0.875)
                        .withFloorShare(0.75)
                        .withAllocatedBytes(0)
                        .withPeer(1.5, "5.2.0", "driver 555.1"));

        ResultsFile.append(file, List.of(plain, full));

        assertThat(ResultsFile.read(file)).containsExactly(plain, full);
    }

    /** Of earlier runs, before there were floors. */
    @Test
    void theStoredRowsStayReadable() {
        assertThat(ResultsFile.read(Path.of("results", "cpu.jsonl"))).hasSizeGreaterThan(100);
    }

    /** Through a link, with a name as long as there can be, and readable by nobody else. */
    @Test
    void aFileIsReplacedWhereItIs() throws IOException {
        Path file = Files.writeString(folder.resolve("n".repeat(255)), "");
        boolean isPosix = file.getFileSystem().supportedFileAttributeViews().contains("posix");
        if (isPosix) {
            Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rw-------"));
        }
        Path link = Files.createSymbolicLink(folder.resolve("link"), file.getFileName());
        Measurement row = Rows.ours(run, Operation.FORWARD, "256x256", 1, 1.0);
        ResultsFile.append(link, List.of(row));
        assertThat(link).isSymbolicLink();
        assertThat(ResultsFile.read(file)).containsExactly(row);
        if (isPosix) {
            assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(file)))
                    .isEqualTo("rw-------");
        }
    }

    @Test
    void aFailureNamesThePathThatWasGiven() {
        Path file = folder.resolve("n".repeat(256));
        assertThatThrownBy(() -> ResultsFile.append(file, List.of()))
                .isInstanceOf(UncheckedIOException.class)
                .hasMessageStartingWith("results file " + file + ": cannot be written: ");
    }

    @Test
    void aPointMeasuredAgainAtTheSameCommitReplacesTheOlderRow() {
        Path file = folder.resolve("results.jsonl");
        Run again =
                new Run("9", "2026-02-01T00:00:00Z", run.commit(), run.java(), run.machine(), run.cores(), run.os());
        Measurement first = Rows.ours(run, Operation.FORWARD, "256x256", 1, 1.0);
        Measurement other = Rows.ours(run, Operation.BACKWARD, "256x256", 1, 2.0);
        Measurement second = Rows.ours(again, Operation.FORWARD, "256x256", 1, 3.0);
        Measurement nextCommit = Rows.ours(Rows.run("2"), Operation.FORWARD, "256x256", 1, 4.0);

        ResultsFile.append(file, List.of(first, other));
        ResultsFile.append(file, List.of(second, nextCommit));

        assertThat(ResultsFile.read(file)).containsExactly(other, second, nextCommit);
    }

    @ParameterizedTest
    @CsvSource(delimiter = ';', textBlock = """
                    "milliseconds":1.5            ; "milliseconds":-1               ; milliseconds
                    "milliseconds":1.5            ; "milliseconds":99               ; ascend
                    "samples":5                   ; "samples":0                     ; samples
                    "operation":"forward"         ; "operation":"sideways"          ; sideways
                    "shape":"256x256"             ; "shape":"256"                   ; shape
                    "memory":"heap"               ; "memory":"tape"                 ; memory
                    "threads":1                   ; "threads":-1                    ; threads
                    "threads":1,                  ; ''                              ; threads
                    "resident":true,              ; ''                              ; resident
                    "commit":"c1"                 ; "commit":" "                    ; commit
                    "cores":2                     ; "cores":2,"colour":"red"        ; colour
                    "cores":2                     ; "cores":"two"                   ; two
                    {"point"                      ; ["point"                        ; results.jsonl
                    """)
    void aMalformedRowIsNamedByFileAndLine(String written, String damaged, String named) throws IOException {
        Path file = folder.resolve("results.jsonl");
        ResultsFile.append(file, List.of(Rows.ours(run, Operation.FORWARD, "256x256", 1, 1.5)));
        String good = Files.readString(file).strip();
        assertThat(good).contains(written);
        Files.writeString(file, good + "\n" + good.replace(written, damaged) + "\n");
        String before = Files.readString(file);

        assertThatThrownBy(() -> ResultsFile.read(file))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining(file + " line 2")
                .hasMessageContaining(named);
        assertThatThrownBy(() -> ResultsFile.append(file, List.of()))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageContaining("line 2");
        assertThat(Files.readString(file)).isEqualTo(before);
    }

    @Test
    void thereIsNoSecondFileLeftBehind() throws IOException {
        ResultsFile.append(folder.resolve("results.jsonl"), List.of(Rows.copy(run, "256x256", 1, 1)));
        try (var files = Files.list(folder)) {
            assertThat(files).hasSize(1);
        }
    }

    @Test
    void gigabytesAreOfTheLogicalBytes() {
        assertThat(Rows.ours(run, Operation.INFERENCE, "1000x250", 1, 1)
                        .result()
                        .gigabytesPerSecond())
                .isEqualTo(2.0);
        assertThat(Rows.ours(run, Operation.FORWARD, "1000x250", 1, 1).result().gigabytesPerSecond())
                .isEqualTo(3.0);
        assertThat(Rows.ours(run, Operation.BACKWARD, "1000x250", 1, 1).result().gigabytesPerSecond())
                .isEqualTo(5.0);
    }
}

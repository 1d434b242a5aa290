package org.batchnorm.bench.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.withinPercentage;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.batchnorm.bench.jmh.results.Measurement;
import org.batchnorm.bench.jmh.results.ResultsFile;
import org.batchnorm.bench.jmh.results.Rows;
import org.batchnorm.bench.workload.Fusion;
import org.batchnorm.bench.workload.Kind;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.data.ElementType;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

/** {@code bench}, {@code plot} and {@code compare} end to end, inside this process; JMH forks its own. */
class BenchCommandsTest {
    @TempDir
    Path folder;

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    @BeforeAll
    static void asTheLauncherDoes() {
        System.setProperty("java.awt.headless", "true");
        // The times are of no interest here, so another benchmark on this machine may go on.
        System.setProperty("jmh.ignoreLock", "true");
    }

    @ParameterizedTest
    @ValueSource(strings = {"bench", "plot", "compare"})
    void everyCommandExplainsItself(String command) {
        assertThat(run(command, "--help")).isZero();
        assertThat(out.toString()).contains("Usage: batchnorm " + command);
    }

    /** The operation with the fewest floors: each is measured in a process of its own. */
    @Test
    void benchChecksMeasuresAndStores() {
        List<Measurement> rows = benchStoresTheSamplesOfAllForks(Operation.INFERENCE, List.of(Operation.STREAM), 1);
        assertThat(rows.get(1).result().detail()).isIn("loop", "vectors");
    }

    @Tag("thorough")
    @Test
    void benchMeasuresInSeveralProcesses() {
        List<Measurement> rows =
                benchStoresTheSamplesOfAllForks(Operation.FORWARD, List.of(Operation.STREAM, Operation.READ), 2);
        assertThat(rows.get(2).result().detail()).isIn("loop, 8 sums", "4 vectors of sums");
    }

    private List<Measurement> benchStoresTheSamplesOfAllForks(Operation operation, List<Operation> floors, int forks) {
        Path json = folder.resolve("results.jsonl");
        String name = operation.name().toLowerCase(Locale.ROOT);
        int exit = run(
                "bench",
                "--shape=6x5",
                "--operation=" + name,
                "--backend=scalar",
                "--threads=1",
                "--memory=heap",
                "--forks=" + forks,
                "--samples=2",
                "--sample-time=1",
                "--warmup=4",
                "--json=" + json);

        assertThat(exit).as(err.toString()).isZero();
        assertThat(out.toString()).contains("| " + name + " | 6x5 | scalar | heap | 1 |");
        List<Measurement> rows = ResultsFile.read(json);
        List<Operation> measured = new ArrayList<>(List.of(Operation.COPY));
        measured.addAll(floors);
        measured.add(operation);
        assertThat(rows).extracting(row -> row.point().operation()).containsExactlyElementsOf(measured);
        Measurement.Result result = rows.getLast().result();
        double floor = rows.subList(1, rows.size() - 1).stream()
                .mapToDouble(row -> row.result().milliseconds())
                .sum();
        assertThat(result.copyShare()).isPositive();
        assertThat(result.floorShare()).isCloseTo(floor / result.milliseconds(), withinPercentage(0.01));
        assertThat(result.samples()).isEqualTo(2 * forks);
        assertThat(result.allocatedBytes()).isNotNull();
        return rows;
    }

    @ParameterizedTest
    @CsvSource(delimiter = ';', textBlock = """
                    --operation=sideways     ; sideways
                    --operation=copy         ; copy
                    --type=float12           ; type: "float12" given, must be one of float32, float16, bfloat16
                    --fused=gelu             ; fused: "gelu" given, must be one of none, relu, leaky_relu
                    --shape=12               ; shape: "12"
                    --shape=99999999999x5    ; shape: 99999999999x5 given has 499999999995 values, must have at most 2147483639
                    --shape=5x99999999999    ; shape: 5x99999999999 given has 99999999999 features (second), must have at most
                    --shape=999999999999x9999999x9 ; floats do not fit in 2^63 - 1 bytes
                    --backend=tornadovm      ; is not part of this build; set TORNADOVM_HOME to a TornadoVM SDK
                    --json=                  ; "" given, must name a file or a folder
                    --backend=abacus         ; abacus
                    --threads=0              ; --threads: "0"
                    --threads=9999           ; --threads: "9999"
                    --memory=tape            ; tape
                    --peers=cudnn            ; cudnn
                    --samples=0              ; 0 samples
                    --forks=0                ; --forks: 0
                    --device=9:9             ; no backend chosen here has devices
                    """)
    void benchRefusesWhatItCannotMeasure(String option, String named) {
        assertThat(run("bench", option)).isEqualTo(2);
        assertThat(err.toString()).contains(named);
    }

    /** One value of each feature has no batch statistics. This is said before anything is measured, here nothing. */
    @Test
    void benchSaysWhatItLeavesOut() {
        assertThat(run("bench", "--shape=1x5", "--operation=forward", "--backend=scalar", "--forks=0"))
                .isEqualTo(2);
        assertThat(err.toString()).contains("left out: forward of 1x5", "--forks: 0 given");
    }

    @Tag("thorough")
    @Test
    void benchMeasuresTheRestOfWhatItLeavesOut() {
        int exit = run(
                "bench",
                "--shape=1x5",
                "--operation=forward",
                "--backend=scalar",
                "--threads=1",
                "--memory=heap",
                "--forks=1",
                "--samples=2",
                "--sample-time=1",
                "--warmup=4");
        assertThat(exit).isZero();
        assertThat(err.toString()).contains("left out: forward of 1x5");
    }

    @Tag("thorough")
    @Test
    void benchMeasuresTypesAndWhatIsFusedSideBySide() {
        Path json = folder.resolve("results.jsonl");
        int exit = run(
                "bench",
                "--shape=64x5",
                "--operation=backward",
                "--type=float32,bfloat16",
                "--fused=none,residual+leaky_relu",
                "--backend=vector",
                "--threads=1",
                "--memory=heap",
                "--samples=2",
                "--sample-time=1",
                "--warmup=4",
                "--layer",
                "--json=" + json);

        assertThat(exit).as(err.toString()).isZero();
        assertThat(err.toString()).contains("left out: bfloat16 of peers, --layer and --first");
        List<Measurement> ours = ResultsFile.read(json).stream()
                .filter(row -> row.point().operation() == Operation.BACKWARD)
                .toList();
        assertThat(ours)
                .extracting(row -> row.point().variant() + " " + row.point().kind())
                .containsExactly(
                        "vector float32",
                        "vector bfloat16",
                        "vector float32 residual+leaky_relu",
                        "vector-separate float32 residual+leaky_relu",
                        "vector bfloat16 residual+leaky_relu");
        assertThat(ours).allSatisfy(row -> assertThat(row.result().floorShare()).isPositive());
        assertThat(out.toString())
                .contains("| backward | 64x5 | none | vector | heap | 1 |")
                .contains("| residual+leaky_relu | 64x5 | 1 | vector-separate | – | – |");
    }

    @Test
    void compareNamesWhatBecameSlower() {
        Path before = folder.resolve("before.jsonl");
        Path after = folder.resolve("after.jsonl");
        ResultsFile.append(
                before,
                List.of(
                        Rows.ours(Rows.run("1"), Operation.FORWARD, "256x256", 1, 1),
                        Rows.ours(Rows.run("1"), Operation.BACKWARD, "256x256", 1, 1)));
        ResultsFile.append(
                after,
                List.of(
                        Rows.ours(Rows.run("2"), Operation.FORWARD, "256x256", 1, 1.5),
                        Rows.ours(Rows.run("2"), Operation.BACKWARD, "256x256", 1, 1)));

        assertThat(run("compare", before.toString(), after.toString())).isEqualTo(1);
        assertThat(out.toString())
                .contains("2 measurements compared; 1 slower, 0 faster")
                .contains("1.50×  1.0000 → 1.5000 ms  forward 256x256 batchnorm/vector heap on cpu, 1 thread");
        assertThat(run("compare", before.toString(), before.toString())).isZero();
    }

    @Test
    void compareRefusesFilesWithNothingInCommon() {
        Path before = folder.resolve("before.jsonl");
        Path after = folder.resolve("after.jsonl");
        ResultsFile.append(before, List.of(Rows.ours(Rows.run("1"), Operation.FORWARD, "256x256", 1, 1)));
        ResultsFile.append(after, List.of(Rows.ours(Rows.run("1"), Operation.FORWARD, "256x256", 2, 1)));
        assertThat(run("compare", before.toString(), after.toString())).isEqualTo(2);
        assertThat(err.toString()).contains("in common");
    }

    @Test
    void plotDrawsAndPutsTheTablesBetweenTheMarkers() throws IOException {
        Path json = folder.resolve("results.jsonl");
        ResultsFile.append(
                json,
                List.of(
                        Rows.ours(Rows.run("1"), Operation.FORWARD, "256x256", 1, 1),
                        Rows.peer(Rows.run("1"), "onednn", "ab", Operation.FORWARD, "256x256", 1, 2),
                        Rows.peer(Rows.run("1"), "djl", "function", Operation.FORWARD, "256x256", 1, 8)));
        Measurement plain = Rows.ours(Rows.run("1"), Operation.FORWARD, "1024x1024", 1, 2);
        ResultsFile.append(
                json,
                List.of(
                        plain,
                        ofKind(plain, new Kind(ElementType.BFLOAT16, Fusion.NONE), 1),
                        ofKind(plain, new Kind(ElementType.FLOAT32, Fusion.RELU), 2.5)));
        Path page = folder.resolve("RESULTS.md");
        Files.writeString(page, "before\n<!-- benchmarks: begin -->\nold\n<!-- benchmarks: end -->\nafter\n");

        int exit = run("plot", json.toString(), "--out=" + folder.resolve("plots"), "--page=" + page);

        assertThat(exit).as(err.toString()).isZero();
        assertThat(folder.resolve("plots/forward.png")).isNotEmptyFile();
        assertThat(folder.resolve("plots/forward.svg")).isNotEmptyFile();
        assertThat(Files.readString(page))
                .startsWith("before\n<!-- benchmarks: begin -->\n")
                .endsWith("<!-- benchmarks: end -->\nafter\n")
                .contains("| 256x256 | 2.00 | – | – |")
                .contains("| forward | 1024x1024 | none | vector | heap | 1 | 2.000 | 1.000 (0.50) |")
                .contains("| relu | 1024x1024 | 1 | vector | 2.500 (1.00) | – | – | – |")
                .contains("Beside djl as its users call it, geometric means: forward 8.0.")
                .doesNotContain("old");
    }

    private static Measurement ofKind(Measurement row, Kind kind, double milliseconds) {
        Measurement.Point point = row.point().of(kind);
        return new Measurement(point, row.run(), Rows.result(point, milliseconds));
    }

    @Test
    void plotLeavesAFileWithoutMarkersAlone() throws IOException {
        Path json = folder.resolve("results.jsonl");
        ResultsFile.append(json, List.of(Rows.ours(Rows.run("1"), Operation.FORWARD, "32x128", 1, 1)));
        Path page = folder.resolve("RESULTS.md");
        Files.writeString(page, "nothing here\n");
        assertThat(run("plot", json.toString(), "--out=" + folder.resolve("plots"), "--page=" + page))
                .isEqualTo(2);
        assertThat(err.toString()).contains("benchmarks: begin");
        assertThat(page).hasContent("nothing here\n");
    }

    private int run(String... arguments) {
        CommandLine commandLine = Main.commandLine();
        commandLine.setOut(new PrintWriter(out, true));
        commandLine.setErr(new PrintWriter(err, true));
        return commandLine.execute(arguments);
    }
}

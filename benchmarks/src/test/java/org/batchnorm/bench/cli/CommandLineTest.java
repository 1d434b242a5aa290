package org.batchnorm.bench.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import javax.imageio.ImageIO;
import org.batchnorm.conformance.CaseResult;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIf;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine;

/** The command line end to end, inside this process. */
class CommandLineTest {
    private static final String CASE = "train_nchw_2_3_5_6";

    /** A device on which nothing has room; Linux has it. */
    private static final File FULL = new File("/dev/full");

    @TempDir
    private Path directory;

    private final StringWriter out = new StringWriter();
    private final StringWriter err = new StringWriter();

    @BeforeAll
    static void drawWithoutAScreen() {
        System.setProperty("java.awt.headless", "true");
    }

    @Test
    void withoutACommandItSaysWhichThereAre() {
        assertThat(run()).isEqualTo(2);
        assertThat(err.toString()).contains("devices", "train", "verify", "Exit codes");
    }

    @ParameterizedTest
    @ValueSource(strings = {"devices", "train", "experiment", "verify"})
    void everyCommandExplainsItself(String command) {
        assertThat(run(command, "--help")).isZero();
        assertThat(out.toString()).contains("Usage: batchnorm " + command);
    }

    @Test
    void devicesListsTheBackends() {
        assertThat(run("devices")).isZero();
        assertThat(out.toString()).contains("vector", "scalar", "tornadovm", "auto");
    }

    /** Two of its three runs were done before. */
    @Test
    void experimentListsThemAndGoesOnWithOne() throws IOException {
        assertThat(run("experiment")).isZero();
        assertThat(out.toString()).contains("convergence  ", "landscape  ");
        Files.writeString(Files.createDirectory(directory.resolve("out")).resolve("results.csv"), """
                # placement on digits, quick scale
                variant,seed,quantity,x,value
                before the activation,0,test accuracy in %,50,80
                before the activation,0,test accuracy in %,500,90
                without,0,test accuracy in %,50,40
                without,0,test accuracy in %,500,80
                """);

        runsAnExperiment("1 of 3 runs to do", "placement 500/500");
    }

    @Tag("thorough")
    @Test
    void experimentRunsOneFromTheStart() {
        runsAnExperiment("3 of 3 runs to do", "placement 1500/1500");
    }

    private void runsAnExperiment(String... said) {
        String folder = directory.resolve("out").toString();
        int code = run("experiment", "placement", "--quick", "--seeds", "1", "--threads", "1", "--out", folder);

        assertThat(code).isZero();
        assertThat(out.toString()).contains(said).contains(" left)", "README.md");
        assertThat(directory.resolve("out")).isDirectoryContaining("glob:**placement.png");
        assertThat(run("experiment", "placement", "--quick", "--seeds", "1", "--out", folder))
                .isZero();
        assertThat(out.toString()).contains("0 of 3 runs to do");
    }

    @Test
    void residentIsForTheExperimentsThatTrainOnADevice() {
        assertThat(run("experiment", "placement", "--quick", "--resident", "--out", directory.toString()))
                .isEqualTo(2);
        assertThat(err.toString()).contains("--resident: given with placement, must be left out but for convergence");
        assertThat(directory).isEmptyDirectory();
    }

    @ParameterizedTest
    @CsvSource({"placement,--seeds,0,'seeds: 0 given'", "placment,--seeds,1,'NAME: \"placment\" given, must be one of'"
    })
    void experimentRefuses(String name, String option, String value, String message) {
        assertThat(run("experiment", name, option, value)).isEqualTo(2);
        assertThat(err.toString()).contains(message);
    }

    @Test
    void verifyPassesAGoodCase() throws IOException {
        Path json = directory.resolve("result.jsonl");

        int code = run(
                "verify",
                "--backend",
                "scalar",
                "--threads",
                "2",
                "--json",
                json.toString(),
                copyCase().toString());

        assertThat(code).isZero();
        assertThat(out.toString()).contains("pass  " + CASE + " (scalar)", "dweight", "All 1 cases pass.");
        List<JsonNode> objects = readLines(json);
        assertThat(objects).hasSize(1);
        JsonNode object = objects.getFirst();
        assertThat(object.get("case").asText()).isEqualTo(CASE);
        assertThat(object.get("backend").asText()).isEqualTo("scalar");
        assertThat(object.get("pass").asBoolean()).isTrue();
        assertThat(object.get("refused").asBoolean()).isFalse();
        assertThat(object.get("errors").get("y").get("maxAbs").asDouble()).isBetween(0.0, 1e-5);
        assertThat(object.get("errors").get("y").get("pytorchMaxAbs").isNumber())
                .isTrue();
        assertThat(object.get("message").asText()).isEmpty();
    }

    /** A backend that does not take a type has not failed; what it took decides. */
    @Test
    void verifyTellsWhatIsRefused() {
        CaseResult refused = new CaseResult("half", "narrow", List.of(), "x: FLOAT16 given, but", true);
        CaseResult passed = new CaseResult("single", "narrow", List.of(), "");
        CaseResult failed = new CaseResult("other", "narrow", List.of(), "thrown");
        assertThat(VerifyCommand.summary(List.of(refused, passed)))
                .isEqualTo("All 1 cases pass. 1 refused for their element type.");
        assertThat(VerifyCommand.summary(List.of(refused, passed, failed)))
                .isEqualTo("1 of 2 cases fail. 1 refused for their element type.");
        assertThat(VerifyCommand.summary(List.of(passed))).isEqualTo("All 1 cases pass.");
        StringWriter text = new StringWriter();
        try (PrintWriter writer = new PrintWriter(text)) {
            VerifyCommand.print(writer, refused);
        }
        assertThat(text.toString()).contains("refused  half (narrow)", "x: FLOAT16 given, but");
        assertThat(refused.pass()).isFalse();
        assertThat(refused.failed()).isFalse();
    }

    @Test
    void verifyTellsAMismatchAndGoesOnAfterBadFiles() throws IOException {
        Path good = copyCase();
        Path wrong = withDamagedExpectation(good);
        Path truncated =
                Files.write(directory.resolve("truncated.safetensors"), Arrays.copyOf(Files.readAllBytes(good), 100));
        Path missing = directory.resolve("missing.safetensors");
        Path json = directory.resolve("result.jsonl");

        int code = run(
                "verify",
                "--backend",
                "scalar",
                "--json",
                json.toString(),
                missing.toString(),
                truncated.toString(),
                wrong.toString(),
                good.toString());

        assertThat(code).isEqualTo(1);
        assertThat(out.toString())
                .contains("FAIL  missing", "no such file", "FAIL  truncated", "FAIL  wrong", "pass  " + CASE)
                .contains("3 of 4 cases fail.");
        assertThat(err.toString()).isEmpty();
        assertThat(readLines(json))
                .extracting(object -> object.get("pass").asBoolean())
                .containsExactly(false, false, false, true);
        JsonNode mismatch = readLines(json).get(2);
        assertThat(mismatch.get("message").asText()).contains("y");
        assertThat(mismatch.get("errors").get("y").get("maxAbs").isNull()).isTrue();
        assertThat(mismatch.get("errors").get("y").get("pass").asBoolean()).isFalse();
        assertThat(mismatch.get("errors").get("dx").get("pass").asBoolean()).isTrue();
    }

    @Test
    void trainWritesTheSameCurvesForTheSameSeed() throws IOException {
        Path first = directory.resolve("first");
        Path second = directory.resolve("a folder/second");

        assertThat(train(first, "--threads", "1")).isZero();
        assertThat(out.toString())
                .contains("train 8/8: without ")
                .contains("test accuracy", "steps to the baseline's best", "time per step", "of which in batch norm");
        assertThat(train(second, "--threads", "2")).isZero();

        assertThat(Files.readAllLines(first.resolve("curves.csv")))
                .hasSize(1 + 2 * 8)
                .startsWith("network,step,training_loss,test_loss,test_accuracy")
                .allMatch(line -> line.split(",", -1).length == 5);
        assertThat(second.resolve("curves.csv")).hasSameBinaryContentAs(first.resolve("curves.csv"));
        for (String picture : List.of("accuracy", "loss")) {
            assertThat(ImageIO.read(first.resolve(picture + ".png").toFile())).isNotNull();
            assertThat(first.resolve(picture + ".svg")).content().contains("<svg", "</svg>");
        }
        try (var files = Files.list(first)) {
            assertThat(files).hasSize(5);
        }
    }

    @Test
    void trainSurvivesDivergence() {
        assertThat(train(directory, "--learning-rate", "1e30")).isZero();
        assertThat(out.toString()).contains("diverged", "by neither network");
    }

    @Test
    void trainReadsIdxFiles() throws IOException {
        Path data = Files.createDirectory(directory.resolve("data"));
        for (String part : List.of("train", "t10k")) {
            java.nio.ByteBuffer images = java.nio.ByteBuffer.allocate(16 + 8 * 4);
            images.putInt(0x803).putInt(8).putInt(2).putInt(2);
            java.nio.ByteBuffer labels = java.nio.ByteBuffer.allocate(8 + 8);
            labels.putInt(0x801).putInt(8);
            for (int i = 0; i < 8; i++) {
                images.putInt(i % 2 == 0 ? 0x00FF00FF : 0xFF00FF00 + i);
                labels.put((byte) (i % 2));
            }
            Files.write(data.resolve(part + "-images-idx3-ubyte"), images.array());
            Files.write(data.resolve(part + "-labels-idx1-ubyte"), labels.array());
        }

        assertThat(train(directory.resolve("out"), "--data", data.toString(), "--batch-size", "4"))
                .isZero();
        assertThat(out.toString()).contains("data: textbook network", "8 images to train on, 8 to test with");
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "train --netwrk textbook | Possible solutions: --network",
                "train --network deep | expected one of [TEXTBOOK, PAPER]",
                "train --epochs 1 --steps 1 | mutually exclusive",
                "train --epochs 0 | --epochs: 0 given, must be at least 1",
                "train --steps 0 | steps: 0 given, must be at least 1",
                "train --batch-size 1 | batch size: 1 given, must be at least 2",
                "train --batch-size 5000 | at most 1438",
                "train --learning-rate -1 | learning rate: -1.0 given",
                "train --target 0 | --target: 0.0 given",
                "train --threads 0 | threads: 0 given, must be at least 1",
                "train --backend vector --device 0:0 | --device: \"0:0\" given, must be left out with --backend vector",
                "train --device 0:0 | backend: \"tornadovm\" given, is not part of this build; set TORNADOVM_HOME",
                "train --backend tornadovm | is not part of this build; set TORNADOVM_HOME to a TornadoVM SDK",
                "verify --backend tornadovm case | is not part of this build; set TORNADOVM_HOME to a TornadoVM SDK",
                "train --distributed spark | expected one of [MPI]",
                "train --distributed mpi --resident | --distributed: given with --resident, must be one of them",
                "train --distributed mpi --deadline 0 | deadline: PT0S given, must be positive",
                "train --backend abacus | backend: \"abacus\" given, must be one of",
                "train --data /nowhere | /nowhere: must be a directory",
                "verify | Missing required parameter: 'CASE'",
                "verify --backend abacus case | backend: \"abacus\" given",
                "multiply | Unmatched argument"
            })
    void wrongUsageIsOneLineAndCodeTwo(String arguments, String message) {
        assertThat(run((arguments + outFor(arguments)).split(" "))).isEqualTo(2);
        assertThat(err.toString()).contains(message).doesNotContain("\tat ");
        assertThat(out.toString()).isEmpty();
    }

    /** It wrote into the current folder. */
    @ParameterizedTest
    @ValueSource(strings = {"", " "})
    void anEmptyNameIsNoFolder(String name) {
        assertThat(run("train", "--steps", "1", "--out", name)).isEqualTo(2);
        assertThat(err.toString())
                .contains("--out", "\"" + name + "\" given, must name a file or a folder (the current one is .)");
        assertThat(Path.of("curves.csv")).doesNotExist();
    }

    @Test
    void outputThatIsLostIsAFailure() {
        OutputStream full = new OutputStream() {
            @Override
            public void write(int b) throws IOException {
                throw new IOException("no space left on device");
            }
        };
        CommandLine commandLine = Main.commandLine();
        PrintStream stream = new PrintStream(full, false, StandardCharsets.UTF_8);
        commandLine.setOut(new PrintWriter(stream, true, StandardCharsets.UTF_8));
        commandLine.setErr(new PrintWriter(err, true));
        assertThat(Main.run(commandLine, stream, "devices")).isEqualTo(1);
        assertThat(err.toString()).contains("the output could not be written: a full disk, or a pipe that the reader");
        assertThat(Main.run(commandLine, stream, "devices", "--nonsense"))
                .as("what failed already")
                .isEqualTo(2);
    }

    /** As the launcher starts it: the process ends with 1. */
    @Test
    @EnabledIf("hasFullDevice")
    void aFullDiskEndsTheProcessWithOne() throws Exception {
        Process process = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "-cp",
                        System.getProperty("java.class.path"),
                        Main.class.getName(),
                        "devices")
                .redirectOutput(FULL)
                .start();
        String said = new String(process.getErrorStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).isEqualTo(1);
        assertThat(said).contains("the output could not be written");
    }

    static boolean hasFullDevice() {
        return FULL.exists();
    }

    @Test
    void anOutputThatCannotBeWrittenIsToldBeforeTraining() throws IOException {
        Path file = Files.writeString(directory.resolve("file"), "");

        assertThat(run("train", "--steps", "1", "--out", file.toString())).isEqualTo(1);
        assertThat(err.toString()).contains("--out: " + file + " cannot be written to");
        assertThat(out.toString()).isEmpty();
        assertThat(run("verify", "--json", directory.resolve("no/file").toString(), "case"))
                .isEqualTo(1);
        assertThat(err.toString()).contains("--json: ");
    }

    @Test
    void whyAFileCannotBeWrittenIsTold() throws IOException {
        Path link = Files.createSymbolicLink(directory.resolve("link"), Path.of("absent", "file"));
        assertThat(run(
                        "verify",
                        "--backend",
                        "scalar",
                        "--json",
                        link.toString(),
                        copyCase().toString()))
                .isEqualTo(1);
        assertThat(err.toString()).contains(link + ": its folder does not exist");
    }

    @Test
    void verboseShowsTheStackTrace() {
        assertThat(run("--verbose", "train", "--data", "/nowhere")).isEqualTo(2);
        assertThat(err.toString()).contains("DataFormatException", "\tat ");
    }

    private int train(Path output, String... more) {
        String[] fixed = {"train", "--steps", "8", "--out", output.toString()};
        String[] arguments = Arrays.copyOf(fixed, fixed.length + more.length);
        System.arraycopy(more, 0, arguments, fixed.length, more.length);
        return run(arguments);
    }

    private int run(String... arguments) {
        CommandLine commandLine = Main.commandLine();
        commandLine.setOut(new PrintWriter(out, true));
        commandLine.setErr(new PrintWriter(err, true));
        return commandLine.execute(arguments);
    }

    private String outFor(String arguments) {
        return arguments.startsWith("train") ? " --out " + directory : "";
    }

    private Path copyCase() throws IOException {
        Path copy = directory.resolve(CASE + ".safetensors");
        try (InputStream in =
                CommandLineTest.class.getResourceAsStream("/org/batchnorm/bench/cli/" + CASE + ".safetensors")) {
            Files.copy(in, copy);
        }
        return copy;
    }

    /** The case with the first value of expected.y replaced by NaN. */
    private Path withDamagedExpectation(Path good) throws IOException {
        byte[] bytes = Files.readAllBytes(good);
        java.nio.ByteBuffer buffer = java.nio.ByteBuffer.wrap(bytes).order(java.nio.ByteOrder.LITTLE_ENDIAN);
        int headerLength = (int) buffer.getLong(0);
        JsonNode header = new ObjectMapper().readTree(new String(bytes, 8, headerLength, StandardCharsets.UTF_8));
        int start = header.get("expected.y").get("data_offsets").get(0).asInt();
        buffer.putDouble(8 + headerLength + start, Double.NaN);
        return Files.write(directory.resolve("wrong.safetensors"), bytes);
    }

    private static List<JsonNode> readLines(Path json) throws IOException {
        ObjectMapper mapper = new ObjectMapper();
        List<JsonNode> objects = new java.util.ArrayList<>();
        for (String line : Files.readAllLines(json)) {
            objects.add(mapper.readTree(line));
        }
        return objects;
    }
}

package org.batchnorm;

import static java.util.stream.Collectors.groupingBy;
import static java.util.stream.Collectors.joining;
import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.Stream;
import org.batchnorm.SourceShape.Finding;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Signs of source that is easy to read. A reader comes first: nothing is gained by code that only looks shorter. */
class SourceShapeTest {
    private static final int MANY_PARAMETERS = 7;
    private static final int MOST_PARAMETERS = 10;
    private static final int FILE_LINES = 450;
    private static final int METHOD_LINES = 60;
    private static final int COLUMNS = 120;

    private static final Path ROOT = root();
    private static final Path MAIN = Path.of("src", "main");
    private static final String KERNELS = "kernels/src/main";

    /**
     * Lines of code: comments and imports cost nothing. Activations in all of the kernels' loops took 380 of these, a
     * residual 336, 16-bit types 482, rows of bfloat16 that are not staged 98, many streams 95, FLOAT64, an engine of
     * its own, 950, a backward that knows y alone 145, features out of float32's range in the order of the rows 503, a
     * part's dy about a mean of its own 15.
     */
    private static final int ENGINE_CODE = 6_531;

    private static final Path ENGINE = Path.of("src", "main", "java", "org", "batchnorm", "cpu");

    private static List<SourceShape> shapes = List.of();

    @BeforeAll
    static void parse() throws IOException {
        shapes = SourceShape.of(ROOT, javaFiles("src"));
    }

    /** Tests included. */
    @Test
    void fewDeclarationsHaveManyParameters() {
        List<Finding> many = shapes.stream()
                .flatMap(shape -> shape.declarations().stream())
                .filter(declaration -> declaration.size() > MANY_PARAMETERS)
                .toList();
        requireAtMost(6, "declarations with more than " + MANY_PARAMETERS + " parameters", many);
        List<Finding> tooMany = many.stream()
                .filter(declaration -> declaration.size() > MOST_PARAMETERS)
                .toList();
        requireAtMost(0, "declarations with more than " + MOST_PARAMETERS + " parameters", tooMany);
    }

    @Test
    void filesAreShort() throws IOException {
        List<SourceShape> ofKernels = SourceShape.of(ROOT, javaFiles(KERNELS));
        List<Finding> longFiles = Stream.concat(shapesIn(MAIN), ofKernels.stream())
                .map(SourceShape::length)
                .filter(file -> file.size() > FILE_LINES)
                .toList();
        requireAtMost(0, "files of more than " + FILE_LINES + " lines", longFiles);
    }

    @Test
    void methodsAreShort() {
        List<Finding> longMethods = shapesIn(MAIN)
                .flatMap(shape -> shape.methods().stream())
                .filter(method -> method.size() > METHOD_LINES)
                .toList();
        requireAtMost(0, "methods of more than " + METHOD_LINES + " lines", longMethods);
    }

    /** Where every argument needs a line of its own, calls fill the screen and their meaning is lost. */
    @Test
    void argumentsShareTheirLines() {
        List<Finding> alone =
                shapesIn(MAIN).flatMap(shape -> shape.loneArguments().stream()).toList();
        List<Finding> byFile = alone.stream().collect(groupingBy(Finding::file)).values().stream()
                .map(inFile ->
                        new Finding(inFile.getFirst().file(), inFile.getFirst().line(), "and others", inFile.size()))
                .toList();
        require(
                alone.size() < 250,
                alone.size() + " lines of one argument or parameter, must be fewer than 250",
                byFile);
    }

    /** In every module, those included that only some machines build. */
    @Test
    void commentsFitIntoTheColumns() throws IOException {
        List<Finding> wide = new ArrayList<>();
        for (String module : List.of("src", "kernels", "benchmarks")) {
            for (Path file : javaFiles(module)) {
                SourceShape.comments(ROOT, file).stream()
                        .filter(comment -> comment.size() > COLUMNS)
                        .forEach(wide::add);
            }
        }
        requireAtMost(0, "comments of more than " + COLUMNS + " columns", wide);
    }

    @Test
    void theEngineIsSmall() {
        List<Finding> files = shapesIn(ENGINE).map(SourceShape::code).toList();
        int lines = files.stream().mapToInt(Finding::size).sum();
        require(lines <= ENGINE_CODE, lines + " lines of the CPU engine, must be at most " + ENGINE_CODE, files);
    }

    private static Stream<SourceShape> shapesIn(Path folder) {
        return shapes.stream().filter(shape -> shape.file().startsWith(folder));
    }

    private static void requireAtMost(int most, String what, List<Finding> findings) {
        require(findings.size() <= most, findings.size() + " " + what + ", must be at most " + most, findings);
    }

    private static void require(boolean holds, String what, List<Finding> findings) {
        assertThat(holds)
                .withFailMessage(() -> findings.stream()
                        .sorted(Comparator.comparingInt(Finding::size).reversed())
                        .map(Finding::toString)
                        .collect(joining("\n  ", what + ":\n  ", "")))
                .isTrue();
    }

    private static List<Path> javaFiles(String folder) throws IOException {
        try (Stream<Path> files = Files.walk(ROOT.resolve(folder))) {
            return files.filter(file -> file.toString().endsWith(".java"))
                    .filter(file -> !isBuilt(ROOT.relativize(file)))
                    .sorted()
                    .toList();
        }
    }

    private static boolean isBuilt(Path file) {
        for (Path name : file) {
            if (name.toString().equals("target")) {
                return true;
            }
        }
        return false;
    }

    /** The project's folder: tests run in that of their module. */
    private static Path root() {
        Path folder = Path.of("").toAbsolutePath();
        while (!Files.isDirectory(folder.resolve("src/main/java"))) {
            folder = folder.getParent();
        }
        return folder;
    }
}

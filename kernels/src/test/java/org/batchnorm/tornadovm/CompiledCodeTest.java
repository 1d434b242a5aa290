package org.batchnorm.tornadovm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.ToIntFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.FieldSource;

/**
 * What NVIDIA's compiler makes of every kernel for every layout: nvcc of the CUDA C that a CUDA SDK generates, ptxas of
 * a PTX SDK's PTX. The budgets are those that {@code kernels/README.md} states; {@code target/compiled-code.md} has
 * what was found.
 */
class CompiledCodeTest {
    static final List<String> ARCHITECTURES = List.of("sm_75", "sm_80", "sm_86", "sm_89", "sm_90");

    private static final Pattern ENTRY = Pattern.compile(".*Compiling entry function '(\\w+)' for '(\\w+)'.*");
    private static final Pattern SPILLS =
            Pattern.compile(" *(\\d+) bytes stack frame, (\\d+) bytes spill stores, (\\d+) bytes spill loads.*");
    private static final Pattern USED = Pattern.compile(".*Used (\\d+) registers.*");
    private static final Pattern SHARED = Pattern.compile(".* (\\d+) bytes smem.*");

    /** Kernels whose sums are pairs of float32 or float64. */
    private static final Set<String> OF_TWO_KINDS = Set.of("reducegradients", "backwardonchip");

    private static List<Compiled> compiled = List.of();
    private static int kernels;

    /**
     * A kernel of one layout for one architecture.
     *
     * @param registers of a work-item
     * @param spilled bytes that did not fit into them
     * @param shared bytes of a work-group's shared memory
     */
    record Compiled(String kernel, String architecture, int registers, int spilled, int shared) {}

    @BeforeAll
    static void compile(@TempDir Path folder) throws Exception {
        boolean cuda = ChildJvm.sdkHas("cuda");
        assumeThat(cuda || ChildJvm.sdkHas("ptx"))
                .as("an SDK for NVIDIA's devices")
                .isTrue();
        Optional<Path> compiler = find(cuda ? "nvcc" : "ptxas");
        assumeThat(compiler).as("the CUDA toolkit's compiler").isPresent();
        Map<String, Map<String, List<String>>> sources = GeneratedCode.sources(
                ChildJvm.run(Map.of(), VirtualDevice.codeOptions(folder), GeneratedCodeMain.class));
        kernels = sources.values().stream().mapToInt(Map::size).sum();
        compiled = cuda ? nvcc(compiler.get(), sources, folder) : ptxas(compiler.get(), sources, folder);
        Files.writeString(Path.of("target", "compiled-code.md"), table());
    }

    private static Optional<Path> find(String program) {
        Stream<String> path = Arrays.stream(System.getenv("PATH").split(File.pathSeparator));
        Stream<String> toolkits = Stream.of(System.getenv("CUDA_HOME"), System.getenv("CUDA_PATH"), "/usr/local/cuda")
                .filter(home -> home != null)
                .map(home -> home + "/bin");
        return Stream.concat(path, toolkits)
                .map(bin -> Path.of(bin, program))
                .filter(Files::isExecutable)
                .findFirst();
    }

    /** The kernels of a layout are one file, their names preceded by the operations that they belong to. */
    private static List<Compiled> nvcc(Path nvcc, Map<String, Map<String, List<String>>> sources, Path folder)
            throws IOException, InterruptedException {
        Map<String, StringBuilder> files = new TreeMap<>();
        sources.forEach((heading, ofHeading) -> ofHeading.forEach((name, lines) -> files.computeIfAbsent(
                        heading.substring(0, heading.indexOf(' ')), layout -> new StringBuilder())
                .append(String.join("\n", lines)
                        .replaceFirst(" void " + name, " void " + heading.replace(' ', '_') + "_" + name))
                .append('\n')));
        List<Compiled> results = new ArrayList<>();
        for (Map.Entry<String, StringBuilder> file : files.entrySet()) {
            Path source = folder.resolve(file.getKey() + ".cu");
            Files.writeString(source, file.getValue());
            List<String> command = new ArrayList<>(List.of(nvcc.toString(), "-fatbin", "--resource-usage"));
            for (String architecture : ARCHITECTURES) {
                command.add("-gencode=arch=" + architecture.replace("sm", "compute") + ",code=" + architecture);
            }
            command.addAll(
                    List.of(source.toString(), "-o", folder.resolve("code").toString()));
            results.addAll(read(run(command)));
        }
        return results;
    }

    /** Each kernel is a file; it names the architecture of the device here, or what its PTX version has of it. */
    private static List<Compiled> ptxas(Path ptxas, Map<String, Map<String, List<String>>> sources, Path folder)
            throws IOException, InterruptedException {
        List<Compiled> results = new ArrayList<>();
        Path source = folder.resolve("kernel.ptx");
        for (Map<String, List<String>> ofHeading : sources.values()) {
            for (List<String> lines : ofHeading.values()) {
                for (String architecture : ARCHITECTURES) {
                    Files.write(
                            source,
                            lines.stream()
                                    .map(line ->
                                            line.startsWith(".target") ? ".target " + lower(line, architecture) : line)
                                    .toList());
                    results.addAll(read(run(List.of(
                            ptxas.toString(),
                            "-v",
                            "-arch=" + architecture,
                            source.toString(),
                            "-o",
                            folder.resolve("code").toString()))));
                }
            }
        }
        return results;
    }

    /** A target for a newer architecture than the one compiled for is lowered to that one. */
    private static String lower(String line, String architecture) {
        String target = line.replaceFirst("\\.target +(\\w+).*", "$1");
        return target.compareTo(architecture) > 0 ? architecture : target;
    }

    private static String run(List<String> command) throws IOException, InterruptedException {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(command + "\n" + output).isZero();
        return output;
    }

    private static List<Compiled> read(String output) {
        List<Compiled> results = new ArrayList<>();
        String kernel = "";
        String architecture = "";
        int spilled = 0;
        for (String line : output.lines().toList()) {
            Matcher entry = ENTRY.matcher(line);
            Matcher spills = SPILLS.matcher(line);
            Matcher used = USED.matcher(line);
            Matcher shared = SHARED.matcher(line);
            if (entry.matches()) {
                kernel = entry.group(1);
                architecture = entry.group(2);
            } else if (spills.matches()) {
                spilled = Integer.parseInt(spills.group(1))
                        + Integer.parseInt(spills.group(2))
                        + Integer.parseInt(spills.group(3));
            } else if (used.matches()) {
                int bytes = shared.matches() ? Integer.parseInt(shared.group(1)) : 0;
                results.add(new Compiled(kernel, architecture, Integer.parseInt(used.group(1)), spilled, bytes));
            }
        }
        return results;
    }

    /** The most of all layouts, by kernel and architecture. */
    private static String table() {
        StringBuilder table = new StringBuilder("| kernel | " + String.join(" | ", ARCHITECTURES) + " | shared |\n")
                .append("| --- |")
                .append(" ---: |".repeat(ARCHITECTURES.size() + 1))
                .append('\n');
        Map<String, List<Compiled>> byKernel = compiled.stream()
                .collect(Collectors.groupingBy(CompiledCodeTest::bareName, TreeMap::new, Collectors.toList()));
        byKernel.forEach((kernel, all) -> {
            table.append("| ").append(kernel).append(" |");
            for (String architecture : ARCHITECTURES) {
                table.append(' ')
                        .append(most(
                                all.stream().filter(one -> one.architecture().equals(architecture)),
                                Compiled::registers))
                        .append(" |");
            }
            table.append(' ').append(most(all.stream(), Compiled::shared)).append(" |\n");
        });
        return table.toString();
    }

    private static int most(Stream<Compiled> of, ToIntFunction<Compiled> what) {
        return of.mapToInt(what).max().orElse(0);
    }

    /** CUDA: COLUMNS_training_transform; PTX: training_norm_transform_transform_uk_ac_.... */
    private static String bareName(Compiled one) {
        Matcher ptx = Pattern.compile("\\w+?_norm_([a-z]+)_.*").matcher(one.kernel());
        String name = (ptx.matches() ? ptx.group(1) : one.kernel().replaceFirst(".*_", "")).replaceFirst("\\d+$", "");
        boolean inFloat64 =
                one.kernel().toLowerCase(Locale.ROOT).contains(GeneratedCodeMain.IN_FLOAT64.toLowerCase(Locale.ROOT))
                        && OF_TWO_KINDS.contains(name.toLowerCase(Locale.ROOT));
        if (one.kernel().toLowerCase(Locale.ROOT).contains(GeneratedCodeMain.OF_FLOAT64.toLowerCase(Locale.ROOT))) {
            return name + ", of FLOAT64";
        }
        return inFloat64 ? name + ", float64" : name;
    }

    /** A row "| what | number |" of the kernels' README. */
    private static int budget(String what) throws IOException {
        Matcher row = Pattern.compile("(?m)^\\| " + what + " \\| ([\\d,]+) \\| .*")
                .matcher(Files.readString(Path.of("README.md")));
        assertThat(row.find()).as("kernels/README.md has a row for " + what).isTrue();
        return Integer.parseInt(row.group(1).replace(",", ""));
    }

    @Test
    void everyKernelWasCompiledForEveryArchitecture() {
        assertThat(kernels).as("kernels of all layouts").isGreaterThanOrEqualTo(280);
        assertThat(compiled).hasSize(kernels * ARCHITECTURES.size());
    }

    @ParameterizedTest
    @FieldSource("ARCHITECTURES")
    void everyKernelIsWithinItsBudget(String architecture) throws IOException {
        int registers = budget("registers of a work-item, " + (ChildJvm.sdkHas("cuda") ? "CUDA" : "PTX"));
        int spilled = budget("bytes spilled");
        int shared = budget("bytes of shared memory of a work-group");
        assertThat(compiled.stream().filter(one -> one.architecture().equals(architecture)))
                .isNotEmpty()
                .filteredOn(one -> one.registers() > registers || one.spilled() > spilled || one.shared() > shared)
                .as("kernels over their budget")
                .isEmpty();
    }
}

package org.batchnorm.tornadovm;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What stands in the OpenCL C, CUDA C or PTX that TornadoVM generates: which arrays each loop reads and writes, and
 * what else it does.
 */
final class GeneratedCode {
    // OpenCL C | CUDA C
    private static final Pattern KERNEL = Pattern.compile("(?:__kernel|extern \"C\" __global__) void (\\w+)\\(.*");
    private static final String PTX_BEGINS = ".version";
    private static final Pattern PTX_ENTRY = Pattern.compile("\\.visible \\.entry (\\w+).*");

    /** "graph_prefix_task_method_types". */
    private static final Pattern PTX_NAME = Pattern.compile("[A-Za-z0-9]+_norm_[a-z]+_([a-z]+)_uk_ac_.*");

    private static final Pattern LOCAL = Pattern.compile("(?:__local|__shared__) (float|double) \\w+\\[(\\d+)];");
    private static final Pattern PARAMETER =
            Pattern.compile("(ul_\\d+)  =  \\((?:ulong|unsigned long long)\\) (\\w+);");
    private static final Pattern ADDRESS = Pattern.compile("(ul_\\d+)  =  (ul_\\d+) \\+ .*;");
    private static final String GLOBAL = "\\*\\(\\((?:__global)? (?:long )?\\w+ \\*\\) (ul_\\d+)\\)";
    private static final Pattern LOAD = Pattern.compile("(\\w+)  =  " + GLOBAL + ";");
    private static final Pattern STORE = Pattern.compile(GLOBAL + "  =  .*");
    private static final Pattern INTEGER_DIVISION = Pattern.compile("i_\\d+  =  .* [/%] .*;");
    private static final Pattern NAME = Pattern.compile("\\w+");

    /** What is looked for, as PTX has it and as CUDA C would. A loop of PTX is a label and the jump back to it. */
    private static final Map<Pattern, String> PTX_AS_C = Map.of(
            Pattern.compile("\\.visible \\.entry .*"),
            "{",
            Pattern.compile("\\.shared \\.s32 (\\w+\\[\\d+]);"),
            "__shared__ float $1;",
            Pattern.compile("\\.shared \\.s64 (\\w+\\[\\d+]);"),
            "__shared__ double $1;",
            Pattern.compile("ld\\.param\\.u64\\s+rud(\\d+), \\[(\\w+)];"),
            "ul_$1  =  (ulong) $2;",
            Pattern.compile("add\\.u64\\s+rud(\\d+), rud(\\d+), (\\w+);"),
            "ul_$1  =  ul_$2 + $3;",
            Pattern.compile("ld\\.global\\.\\w+\\s+(\\w+), \\[rud(\\d+)];"),
            "$1  =  *(( float *) ul_$2);",
            Pattern.compile("st\\.global\\.\\w+\\s+\\[rud(\\d+)], (\\w+);"),
            "*(( float *) ul_$1)  =  $2;",
            Pattern.compile("(?:div|rem)\\.s32\\s+rsi(\\d+), (\\w+), (\\w+);"),
            "i_$1  =  $2 / $3;",
            Pattern.compile("LOOP_COND_\\d+:"),
            "for(\n{",
            Pattern.compile("bra\\.uni\\s+LOOP_COND_\\d+;"),
            "}");

    private GeneratedCode() {}

    /** A loop, or what stands in none. */
    static final class Body {
        /** Array to number of loads of one pass. */
        final Map<String, Integer> loads = new TreeMap<>();

        /** Array to number of stores of one pass. */
        final Map<String, Integer> stores = new TreeMap<>();

        int integerDivisions;
        boolean loadsAfterUse;
        private final List<String> loaded = new ArrayList<>();
        private boolean used;

        private void load(String value, String array) {
            loads.merge(array, 1, Integer::sum);
            loaded.add(value);
            loadsAfterUse |= used;
        }

        private void look(String line) {
            integerDivisions += INTEGER_DIVISION.matcher(line).matches() ? 1 : 0;
            used |= NAME.matcher(line).results().anyMatch(name -> loaded.contains(name.group()));
        }

        boolean isEmpty() {
            return loads.isEmpty() && stores.isEmpty();
        }

        @Override
        public String toString() {
            return "loads " + loads + ", stores " + stores;
        }
    }

    /**
     * One kernel.
     *
     * @param straight what stands in no loop
     * @param loops the loops with loads or stores of arrays in global memory, in order; none of them holds another
     * @param localBytes of local memory
     */
    record Kernel(Body straight, List<Body> loops, int localBytes) {}

    /** What stands in each kernel, by heading ("=== heading") and kernel, whose name PTX has in lower case. */
    static Map<String, Map<String, Kernel>> read(String output) {
        Map<String, Map<String, Kernel>> kernels = new LinkedHashMap<>();
        sources(output).forEach((heading, sources) -> {
            Map<String, Kernel> ofHeading =
                    kernels.computeIfAbsent(heading, key -> new TreeMap<>(String.CASE_INSENSITIVE_ORDER));
            sources.forEach((name, lines) -> ofHeading.put(
                    numbered(method(name), ofHeading),
                    kernel(lines.getFirst().startsWith(PTX_BEGINS) ? asC(lines) : strip(lines))));
        });
        return kernels;
    }

    private static String method(String name) {
        Matcher ptx = PTX_NAME.matcher(name);
        return ptx.matches() ? ptx.group(1) : name;
    }

    private static List<String> strip(List<String> lines) {
        return lines.stream().map(String::strip).toList();
    }

    private static List<String> asC(List<String> ptx) {
        return strip(ptx).stream().flatMap(line -> asC(line).lines()).toList();
    }

    private static String asC(String ptx) {
        return PTX_AS_C.entrySet().stream()
                .map(rule -> Map.entry(rule.getKey().matcher(ptx), rule.getValue()))
                .filter(rule -> rule.getKey().matches())
                .map(rule -> rule.getKey().replaceFirst(rule.getValue()))
                .findFirst()
                .orElse(ptx);
    }

    /**
     * The lines of each kernel, by heading ("=== heading") and kernel, from its first one to its closing brace. Of
     * several tasks of one kernel the second one's is "kernel2", and so on: in its first line, too, unless it is PTX,
     * whose names contain the task's.
     */
    static Map<String, Map<String, List<String>>> sources(String output) {
        Map<String, Map<String, List<String>>> sources = new LinkedHashMap<>();
        String heading = "";
        String name = "";
        List<String> lines = new ArrayList<>();
        for (String line : output.lines().toList()) {
            Matcher kernel = KERNEL.matcher(line.strip());
            if (line.startsWith("=== ")) {
                heading = line.substring(4);
            } else if (line.startsWith(PTX_BEGINS) || (kernel.matches() && lines.isEmpty())) {
                lines.clear();
                lines.add(line);
                name = kernel.matches() ? kernel.group(1) : "";
            } else if (!lines.isEmpty()) {
                Matcher entry = PTX_ENTRY.matcher(line);
                name = entry.matches() ? entry.group(1) : name;
                lines.add(line);
                if (line.startsWith("}")) {
                    Map<String, List<String>> ofHeading =
                            sources.computeIfAbsent(heading, key -> new LinkedHashMap<>());
                    String numbered = numbered(name, ofHeading);
                    lines.set(0, lines.getFirst().replaceFirst(" void " + name + "\\b", " void " + numbered));
                    ofHeading.put(numbered, List.copyOf(lines));
                    lines.clear();
                }
            }
        }
        return sources;
    }

    private static String numbered(String name, Map<String, ?> taken) {
        String numbered = name;
        for (int i = 2; taken.containsKey(numbered); i++) {
            numbered = name + i;
        }
        return numbered;
    }

    private static Kernel kernel(List<String> lines) {
        Map<String, String> arrays = new HashMap<>();
        Body straight = new Body();
        List<Body> loops = new ArrayList<>();
        Deque<Body> open = new ArrayDeque<>(List.of(straight));
        int localBytes = 0;
        boolean loopBegins = false;
        for (String line : lines) {
            Body here = open.element();
            Matcher local = LOCAL.matcher(line);
            Matcher parameter = PARAMETER.matcher(line);
            Matcher address = ADDRESS.matcher(line);
            Matcher load = LOAD.matcher(line);
            Matcher store = STORE.matcher(line);
            if (local.matches()) {
                localBytes += (local.group(1).equals("float") ? 4 : 8) * Integer.parseInt(local.group(2));
            } else if (parameter.matches()) {
                arrays.put(parameter.group(1), parameter.group(2));
            } else if (address.matches()) {
                arrays.put(address.group(1), arrays.get(address.group(2)));
            } else if (load.matches()) {
                here.load(load.group(1), arrays.get(load.group(2)));
            } else if (store.matches()) {
                here.stores.merge(arrays.get(store.group(1)), 1, Integer::sum);
                here.look(line);
            } else if (line.startsWith("{")) {
                Body body = loopBegins ? new Body() : here;
                if (loopBegins) {
                    loops.add(body);
                }
                open.push(body);
            } else if (line.startsWith("}")) {
                open.pop();
            } else {
                here.look(line);
            }
            loopBegins = line.startsWith("for(");
        }
        return new Kernel(
                straight, loops.stream().filter(loop -> !loop.isEmpty()).toList(), localBytes);
    }
}

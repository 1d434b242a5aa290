package org.batchnorm.golden;

import java.util.Map;
import org.batchnorm.LayerCalls.Kind;
import org.batchnorm.spi.Backends;
import org.batchnorm.spi.BatchNormBackend;

/** Prints what a backend gives in a JVM that was started with other vectors: their width, then the rows' hashes. */
final class GoldenMain {
    static final String WIDTH = "width,";
    static final String ROW = "row,";

    private GoldenMain() {}

    /**
     * Runs all cases.
     *
     * @param arguments the backend and the width that is wanted; where the vectors have another, only that is printed
     */
    public static void main(String[] arguments) {
        String width = width();
        System.out.println(WIDTH + width);
        if (!width.equals(arguments[1])) {
            return;
        }
        StringBuilder rows = new StringBuilder();
        for (GoldenCase each : GoldenCase.ALL) {
            GoldenInputs inputs = new GoldenInputs(each);
            Map<GoldenResults.Key, float[]> onArrays = GoldenResults.of(inputs, arguments[0], Kind.ARRAY, 1);
            Map<GoldenResults.Key, float[]> onSegments = GoldenResults.of(inputs, arguments[0], Kind.SEGMENT, 2);
            onArrays.forEach((key, values) -> {
                String hash = GoldenFile.hexadecimal(values);
                String other = GoldenFile.hexadecimal(onSegments.get(key));
                rows.append(ROW)
                        .append(new GoldenFile.Key(each.toString(), key))
                        .append(',')
                        .append(hash.equals(other) ? hash : hash + " on arrays, on segments with 2 threads " + other)
                        .append('\n');
            });
        }
        System.out.print(rows);
    }

    /** The width of its vectors, as the backend says it. */
    private static String width() {
        BatchNormBackend vector = Backends.all().stream()
                .filter(backend -> backend.name().equals("vector"))
                .findFirst()
                .orElseThrow();
        return vector.availability().reason().replaceAll("\\D", "");
    }
}

package org.batchnorm.golden;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import jdk.incubator.vector.FloatVector;
import org.batchnorm.LayerCalls.Kind;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * The CPU backends give the same bits as they did when the files {@code vector.csv} and {@code scalar.csv} were made:
 * for arrays and for off-heap memory, with one thread and with two.
 *
 * <p>A row that differs need not be a fault, but its error must not have grown without a reason. The message of this
 * test shows the error of each such row, then and now, in units of u · M. To make the files anew:
 *
 * <pre>{@code
 * mvn test -pl src -Dtest=GoldenBitsTest -Dorg.batchnorm.golden.write=test/resources/org/batchnorm/golden \
 *     -Dorg.batchnorm.golden.commit=$(git rev-parse --short HEAD)
 * }</pre>
 *
 * A relative directory is one of the module's. The test passes then without comparing anything with the files.
 */
class GoldenBitsTest {
    private static final String WRITE = "org.batchnorm.golden.write";
    private static final String COMMIT = "org.batchnorm.golden.commit";

    @ParameterizedTest
    @ValueSource(strings = {"vector", "scalar"})
    void theBitsAreThoseOfTheFile(String backend) {
        String directory = System.getProperty(WRITE);
        if (directory != null) {
            write(backend, directory);
            return;
        }
        compare(backend, inputs -> GoldenResults.of(inputs, backend, Kind.ARRAY, 1));
    }

    @Tag("thorough")
    @ParameterizedTest
    @ValueSource(strings = {"vector", "scalar"})
    void onEveryMemoryAndWithTwoThreadsToo(String backend) {
        compare(backend, inputs -> results(inputs, backend));
    }

    private static void compare(String backend, Function<GoldenInputs, Map<GoldenResults.Key, float[]>> compute) {
        Map<GoldenFile.Key, GoldenFile.Value> golden = new LinkedHashMap<>(GoldenFile.read(backend));
        List<String> differences = new ArrayList<>();
        for (GoldenCase each : GoldenCase.ALL) {
            GoldenInputs inputs = new GoldenInputs(each);
            Map<GoldenResults.Key, float[]> results = compute.apply(inputs);
            Map<GoldenResults.Key, double[]> expected = null;
            for (Map.Entry<GoldenResults.Key, float[]> result : results.entrySet()) {
                GoldenFile.Key key = new GoldenFile.Key(each.toString(), result.getKey());
                GoldenFile.Value old = golden.remove(key);
                if (old == null || !old.hash().equals(GoldenFile.hexadecimal(result.getValue()))) {
                    expected = expected == null ? GoldenResults.expected(inputs) : expected;
                    GoldenFile.Value now = GoldenFile.Value.of(result.getValue(), expected.get(result.getKey()));
                    differences.add(
                            key + ": error then " + (old == null ? "unknown" : old.error()) + ", now " + now.error());
                }
            }
        }
        golden.keySet().forEach(key -> differences.add(key + ": no longer computed"));
        assertThat(differences).as("rows of %s.csv that differ", backend).isEmpty();
    }

    /** The results on arrays with one thread, which those on other memory or with two threads must equal. */
    private static Map<GoldenResults.Key, float[]> results(GoldenInputs inputs, String backend) {
        Map<GoldenResults.Key, float[]> results = GoldenResults.of(inputs, backend, Kind.ARRAY, 1);
        for (Kind kind : Kind.values()) {
            for (int threads = 1; threads <= 2; threads++) {
                GoldenResults.of(inputs, backend, kind, threads)
                        .forEach((key, values) -> assertThat(GoldenFile.hexadecimal(values))
                                .as("%s of %s on %s, threads differ or memory does", key, inputs.shape, kind)
                                .isEqualTo(GoldenFile.hexadecimal(results.get(key))));
            }
        }
        return results;
    }

    private static void write(String backend, String directory) {
        Map<GoldenFile.Key, GoldenFile.Value> rows = new LinkedHashMap<>();
        for (GoldenCase each : GoldenCase.ALL) {
            GoldenInputs inputs = new GoldenInputs(each);
            Map<GoldenResults.Key, double[]> expected = GoldenResults.expected(inputs);
            results(inputs, backend)
                    .forEach((key, values) -> rows.put(
                            new GoldenFile.Key(each.toString(), key), GoldenFile.Value.of(values, expected.get(key))));
        }
        String comment = "backend " + backend + ", made at vectors of "
                + FloatVector.SPECIES_PREFERRED.vectorBitSize() + " bits by commit "
                + System.getProperty(COMMIT, "unknown") + "; error in units of u M, u = 2^-24, M = largest |expected|";
        GoldenFile.write(Path.of(directory), backend, comment, rows);
    }
}

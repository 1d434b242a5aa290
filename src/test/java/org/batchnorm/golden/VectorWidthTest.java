package org.batchnorm.golden;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.List;
import java.util.stream.Stream;
import org.batchnorm.ChildJvm;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The backend {@code vector} gives the bits of the file whatever the width of the vectors. */
@Tag("thorough")
class VectorWidthTest {
    private static final int SECONDS = 60;

    @ParameterizedTest
    @ValueSource(ints = {128, 256, 512})
    void theBitsDoNotDependOnTheWidth(int width) throws Exception {
        requireSameBits("-XX:MaxVectorSize=" + width / Byte.SIZE, width);
    }

    @ParameterizedTest
    @ValueSource(ints = {128, 256})
    void norOnAWidthThatIsForced(int width) throws Exception {
        requireSameBits("-Dorg.batchnorm.vectorBits=" + width, width);
    }

    private static void requireSameBits(String option, int width) throws Exception {
        String output =
                ChildJvm.run(List.of(option), GoldenMain.class, List.of("vector", String.valueOf(width)), SECONDS);
        String given = lines(output, GoldenMain.WIDTH).findFirst().orElse("none");
        assumeTrue(given.equals(String.valueOf(width)), "vectors of " + width + " bits are missing here, not " + given);
        List<String> expected = GoldenFile.read("vector").entrySet().stream()
                .map(row -> row.getKey() + "," + row.getValue().hash())
                .toList();
        List<String> actual = lines(output, GoldenMain.ROW).toList();
        assertThat(actual).hasSameSizeAs(expected);
        List<String> differences =
                actual.stream().filter(row -> !expected.contains(row)).toList();
        assertThat(differences)
                .as("%d rows of vector.csv that differ at vectors of %d bits", differences.size(), width)
                .isEmpty();
    }

    private static Stream<String> lines(String output, String prefix) {
        return output.lines().filter(line -> line.startsWith(prefix)).map(line -> line.substring(prefix.length()));
    }
}

package org.batchnorm.bench.experiments.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.junit.jupiter.params.provider.Arguments.arguments;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class DigitsTest {
    private static final String LINE = "0,16,".repeat(32) + "7\n";

    @Test
    void shipsAllDigitsWithAStratifiedSplit() {
        TrainTest data = Digits.load();

        assertThat(data.train().size() + data.test().size()).isEqualTo(1797);
        for (int label = 0; label < 10; label++) {
            double train = count(data.train(), label);
            double test = count(data.test(), label);
            assertThat(test / (train + test)).as("share of %d", label).isBetween(0.19, 0.21);
        }
    }

    @Test
    void splitsAlikeEveryTime() {
        assertThat(firstLabels(Digits.load().test()))
                .isEqualTo(firstLabels(Digits.load().test()));
    }

    @Test
    void scalesPixelsToOne() throws IOException {
        Dataset data = read(LINE);
        float[] x = new float[64];

        data.copyRow(0, x, 0);

        assertThat(x[0]).isEqualTo(0);
        assertThat(x[1]).isEqualTo(1);
        assertThat(data.label(0)).isEqualTo(7);
    }

    static Stream<Arguments> badText() {
        return Stream.of(
                arguments("empty", "", "no line found"),
                arguments("too few values", "1,2,3\n", "line 1: 3 values found, must be 64 pixels and a label"),
                arguments("too many values", LINE.replace("7\n", "7,8\n"), "66 values found"),
                arguments("second line cut", LINE + LINE.substring(0, 60), "line 2: "),
                arguments(
                        "pixel too large",
                        LINE.replaceFirst("16", "17"),
                        "value 2: \"17\" found, must be a whole number from 0 to 16"),
                arguments("negative pixel", LINE.replaceFirst("16", "-1"), "\"-1\" found"),
                arguments("a word", LINE.replaceFirst("16", "sixteen"), "\"sixteen\" found"),
                arguments("a fraction", LINE.replaceFirst("16", "1.5"), "\"1.5\" found"),
                arguments("nothing", LINE.replaceFirst("16", ""), "\"\" found"),
                arguments(
                        "label too large",
                        LINE.replace("7\n", "10\n"),
                        "label: \"10\" found, must be a whole number from 0 to 9"));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("badText")
    void refusesBadText(String what, String text, String message) {
        assertThatThrownBy(() -> read(text))
                .isInstanceOf(DataFormatException.class)
                .hasMessageStartingWith("file")
                .hasMessageContaining(message);
    }

    @Test
    void refusesTruncatedAndForeignFiles() throws IOException {
        byte[] gzipped = IdxFileTest.gzip(LINE.repeat(100).getBytes(StandardCharsets.US_ASCII));

        assertThatThrownBy(() -> read(Arrays.copyOf(gzipped, gzipped.length / 2)))
                .isInstanceOf(DataFormatException.class)
                .hasMessageContaining("is truncated");
        assertThatThrownBy(() -> read(LINE.getBytes(StandardCharsets.US_ASCII)))
                .isInstanceOf(DataFormatException.class)
                .hasMessageContaining("must be intact gzip data");
    }

    @Test
    void refusesToUnpackWithoutEnd() throws IOException {
        byte[] bomb = IdxFileTest.gzip(new byte[(32 << 20) + 1]);

        assertThatThrownBy(() -> read(bomb))
                .isInstanceOf(DataFormatException.class)
                .hasMessageContaining("unpacks to more than");
    }

    private static long count(Dataset data, int label) {
        return java.util.stream.IntStream.range(0, data.size())
                .filter(image -> data.label(image) == label)
                .count();
    }

    private static int[] firstLabels(Dataset data) {
        return java.util.stream.IntStream.range(0, 100).map(data::label).toArray();
    }

    private static Dataset read(String text) throws IOException {
        return read(IdxFileTest.gzip(text.getBytes(StandardCharsets.US_ASCII)));
    }

    private static Dataset read(byte[] gzipped) throws IOException {
        return Digits.read(new ByteArrayInputStream(gzipped), "file");
    }
}

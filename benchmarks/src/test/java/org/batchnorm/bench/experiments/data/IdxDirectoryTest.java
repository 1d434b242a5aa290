package org.batchnorm.bench.experiments.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class IdxDirectoryTest {
    @TempDir
    private Path directory;

    @BeforeEach
    void writeAValidDirectory() throws IOException {
        images("train-images-idx3-ubyte.gz", 3, 1, 2, 0, 255, 10, 20, 30, 40);
        labels("train-labels-idx1-ubyte", 3, 0, 2, 1);
        images("t10k-images-idx3-ubyte", 1, 1, 2, 51, 102);
        labels("t10k-labels-idx1-ubyte.gz", 1, 2);
    }

    @Test
    void readsGzippedAndPlainFiles() throws IOException {
        TrainTest data = IdxDirectory.load(directory);

        assertThat(data.train().size()).isEqualTo(3);
        assertThat(data.train().width()).isEqualTo(2);
        assertThat(data.train().classes()).isEqualTo(3);
        assertThat(data.train().label(1)).isEqualTo(2);
        assertThat(data.test().size()).isEqualTo(1);
        float[] x = new float[4];
        data.train().copyRow(0, x, 0);
        data.test().copyRow(0, x, 1);
        assertThat(x).containsExactly(0, 1, 0.2f, 0.4f);
    }

    @Test
    void refusesAMissingDirectory() {
        assertRefused(directory.resolve("none"), "does not exist");
    }

    @Test
    void refusesAFileInPlaceOfADirectory() {
        assertRefused(directory.resolve("t10k-images-idx3-ubyte"), "must be a directory");
    }

    @Test
    void namesTheMissingFile() throws IOException {
        Files.delete(directory.resolve("train-labels-idx1-ubyte"));
        assertRefused(directory, "train-labels-idx1-ubyte is missing, with or without .gz");
    }

    @Test
    void refusesFewerLabelsThanImages() throws IOException {
        labels("train-labels-idx1-ubyte", 2, 0, 1);
        assertRefused(directory, "3 images");
        assertRefused(directory, "2 labels, must be as many");
    }

    @Test
    void refusesImagesOfTwoSizes() throws IOException {
        images("t10k-images-idx3-ubyte", 1, 2, 1, 1, 2);
        assertRefused(directory, "training images of 1 × 2 and test images of 2 × 1");
    }

    @Test
    void refusesATestLabelThatTrainingNeverSaw() throws IOException {
        labels("t10k-labels-idx1-ubyte.gz", 1, 7);
        assertRefused(directory, "a test image has the label 7, must be at most 2");
    }

    @Test
    void refusesASingleClass() throws IOException {
        labels("train-labels-idx1-ubyte", 3, 0, 0, 0);
        labels("t10k-labels-idx1-ubyte.gz", 1, 0);
        assertRefused(directory, "must be of at least 2 classes");
    }

    private static void assertRefused(Path directory, String message) {
        assertThatThrownBy(() -> IdxDirectory.load(directory))
                .isInstanceOf(DataFormatException.class)
                .hasMessageContaining(message);
    }

    private void images(String name, int n, int rows, int columns, int... data) throws IOException {
        write(name, IdxFileTest.idx(0x00000803, new int[] {n, rows, columns}, data));
    }

    private void labels(String name, int n, int... data) throws IOException {
        write(name, IdxFileTest.idx(0x00000801, new int[] {n}, data));
    }

    private void write(String name, byte[] content) throws IOException {
        Files.write(directory.resolve(name), name.endsWith(".gz") ? IdxFileTest.gzip(content) : content);
    }
}

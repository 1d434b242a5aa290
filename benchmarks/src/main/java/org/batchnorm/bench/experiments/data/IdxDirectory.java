package org.batchnorm.bench.experiments.data;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A directory with the four IDX files of MNIST, Fashion-MNIST and other data sets of that form, under MNIST's names:
 * {@code train-images-idx3-ubyte}, {@code train-labels-idx1-ubyte}, {@code t10k-images-idx3-ubyte},
 * {@code t10k-labels-idx1-ubyte}, each gzipped ({@code .gz}) or not.
 */
public final class IdxDirectory {
    private IdxDirectory() {}

    /**
     * Reads the four files.
     *
     * @throws DataFormatException if one is missing or is not what the format says, or if they do not fit together
     */
    public static TrainTest load(Path directory) throws IOException {
        if (!Files.isDirectory(directory)) {
            throw new DataFormatException(directory + ": must be a directory with MNIST's four IDX files, "
                    + (Files.exists(directory) ? "is none" : "does not exist"));
        }
        Part train = Part.read(directory, "train");
        Part test = Part.read(directory, "t10k");
        if (train.rows() != test.rows() || train.columns() != test.columns()) {
            throw new DataFormatException(directory + ": training images of " + train.rows() + " × " + train.columns()
                    + " and test images of " + test.rows() + " × " + test.columns()
                    + " pixels found, must be the same");
        }
        int classes = 1 + train.largestLabel();
        if (test.largestLabel() >= classes) {
            throw new DataFormatException(directory + ": a test image has the label " + test.largestLabel()
                    + ", must be at most " + (classes - 1) + ", the training images' largest");
        }
        if (classes < 2) {
            throw new DataFormatException(
                    directory + ": all training images have the label 0, must be of at least 2 classes");
        }
        Path name = directory.toAbsolutePath().normalize().getFileName();
        return new TrainTest(
                name == null ? directory.toString() : name.toString(), train.dataset(classes), test.dataset(classes));
    }

    /** The images and labels of one part, which agree in number. */
    private record Part(IdxFile images, IdxFile labels) {

        static Part read(Path directory, String prefix) throws IOException {
            Path imageFile = find(directory, prefix + "-images-idx3-ubyte");
            Path labelFile = find(directory, prefix + "-labels-idx1-ubyte");
            IdxFile images = IdxFile.read(imageFile, 3);
            IdxFile labels = IdxFile.read(labelFile, 1);
            if (images.dimensions()[0] != labels.dimensions()[0]) {
                throw new DataFormatException(imageFile + " has " + images.dimensions()[0] + " images and " + labelFile
                        + " has " + labels.dimensions()[0] + " labels, must be as many");
            }
            return new Part(images, labels);
        }

        private static Path find(Path directory, String name) throws DataFormatException {
            Path plain = directory.resolve(name);
            Path gzipped = directory.resolve(name + ".gz");
            if (Files.isRegularFile(plain)) {
                return plain;
            }
            if (Files.isRegularFile(gzipped)) {
                return gzipped;
            }
            throw new DataFormatException(directory + ": " + name + " is missing, with or without .gz");
        }

        int rows() {
            return images.dimensions()[1];
        }

        int columns() {
            return images.dimensions()[2];
        }

        int largestLabel() {
            int largest = 0;
            for (byte label : labels.data()) {
                largest = Math.max(largest, label & 0xFF);
            }
            return largest;
        }

        Dataset dataset(int classes) {
            int[] values = new int[labels.data().length];
            for (int i = 0; i < values.length; i++) {
                values[i] = labels.data()[i] & 0xFF;
            }
            return new Dataset(images.data(), values, rows() * columns(), classes, 255);
        }
    }
}

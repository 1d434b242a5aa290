package org.batchnorm.bench.experiments.data;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;

/**
 * Data to train on and data to test with.
 *
 * @param name what the data are, for titles
 * @param train to train on
 * @param test to test with; of the same width and classes
 */
public record TrainTest(String name, Dataset train, Dataset test) {

    /**
     * Checks that the two fit.
     *
     * @throws IllegalArgumentException if their widths or classes differ, or if one is empty
     */
    public TrainTest {
        if (train.size() == 0 || test.size() == 0) {
            throw new IllegalArgumentException(name + ": " + train.size() + " training and " + test.size()
                    + " test images given, must be at least 1 each");
        }
        if (train.width() != test.width() || train.classes() != test.classes()) {
            throw new IllegalArgumentException(name + ": training images of " + train.width() + " pixels in "
                    + train.classes() + " classes and test images of " + test.width() + " pixels in " + test.classes()
                    + " classes given, must be the same");
        }
    }

    /**
     * A stratified split that is the same on every run: of each class, a fixed random choice of {@code 1 / parts} of
     * its images is for testing.
     *
     * @param parts how many parts to make, ≥ 2; the first is for testing
     */
    public static TrainTest split(String name, Dataset data, int parts) {
        List<Integer> train = new ArrayList<>();
        List<Integer> test = new ArrayList<>();
        Random random = new Random(0);
        for (int label = 0; label < data.classes(); label++) {
            List<Integer> images = new ArrayList<>();
            for (int image = 0; image < data.size(); image++) {
                if (data.label(image) == label) {
                    images.add(image);
                }
            }
            Collections.shuffle(images, random);
            int tests = Math.round((float) images.size() / parts);
            test.addAll(images.subList(0, tests));
            train.addAll(images.subList(tests, images.size()));
        }
        return new TrainTest(name, data.select(inOrder(train)), data.select(inOrder(test)));
    }

    private static int[] inOrder(List<Integer> images) {
        return images.stream().mapToInt(Integer::intValue).sorted().toArray();
    }
}

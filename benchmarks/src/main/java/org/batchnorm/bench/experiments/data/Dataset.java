package org.batchnorm.bench.experiments.data;

import java.util.stream.IntStream;

/**
 * Labelled images: n rows of {@link #width()} pixels, each an unsigned byte, with a label within [0,
 * {@link #classes()}) each.
 */
public final class Dataset {
    private final byte[] pixels;
    private final int[] labels;
    private final int width;
    private final int classes;
    private final int largestPixel;

    /**
     * Takes over the arrays.
     *
     * @param pixels (n, width), unsigned bytes
     * @param labels (n)
     * @param width pixels of one image
     * @param classes the number of labels there are
     * @param largestPixel the pixel value that becomes 1 as input of a network
     * @throws IllegalArgumentException if the lengths do not fit or a label is out of range
     */
    public Dataset(byte[] pixels, int[] labels, int width, int classes, int largestPixel) {
        if (width < 1 || pixels.length != (long) labels.length * width) {
            throw new IllegalArgumentException(
                    "pixels: " + pixels.length + " given, must be " + labels.length + " labels × width " + width);
        }
        for (int i = 0; i < labels.length; i++) {
            if (labels[i] < 0 || labels[i] >= classes) {
                throw new IllegalArgumentException(
                        "labels[" + i + "]: " + labels[i] + " given, must be within 0 to " + (classes - 1));
            }
        }
        this.pixels = pixels;
        this.labels = labels;
        this.width = width;
        this.classes = classes;
        this.largestPixel = largestPixel;
    }

    /** The number of images. */
    public int size() {
        return labels.length;
    }

    /** The pixels of one image. */
    public int width() {
        return width;
    }

    /** The number of labels there are. */
    public int classes() {
        return classes;
    }

    /** The label of an image. */
    public int label(int image) {
        return labels[image];
    }

    /**
     * Copies one image as a row of a network's input, with values in [0, 1].
     *
     * @param x out, at least {@code (row + 1) · width} values
     */
    public void copyRow(int image, float[] x, int row) {
        for (int j = 0; j < width; j++) {
            x[row * width + j] = (pixels[image * width + j] & 0xFF) / (float) largestPixel;
        }
    }

    /**
     * Copies images as the rows of a network's input.
     *
     * @param x out, at least as many rows
     * @param rowLabels out, a label a row
     */
    public void copyRows(int[] images, float[] x, int[] rowLabels) {
        for (int row = 0; row < images.length; row++) {
            copyRow(images[row], x, row);
            rowLabels[row] = labels[images[row]];
        }
    }

    /** The first images, as a data set of their own; all of them if there are no more. */
    public Dataset first(int images) {
        return range(0, Math.min(images, size()));
    }

    /** The images in [start, end), as a data set of their own. */
    public Dataset range(int start, int end) {
        return select(IntStream.range(start, end).toArray());
    }

    /** The given images, in that order, as a data set of their own. */
    Dataset select(int[] images) {
        byte[] selectedPixels = new byte[images.length * width];
        int[] selectedLabels = new int[images.length];
        for (int i = 0; i < images.length; i++) {
            System.arraycopy(pixels, images[i] * width, selectedPixels, i * width, width);
            selectedLabels[i] = labels[images[i]];
        }
        return new Dataset(selectedPixels, selectedLabels, width, classes, largestPixel);
    }
}

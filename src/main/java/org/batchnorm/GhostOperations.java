package org.batchnorm;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.WeakHashMap;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Moments;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;
import org.jspecify.annotations.Nullable;

/**
 * The operations of a backend on each slice of a batch by itself: ghost batches. The samples of a slice lie together in
 * every layout, so a slice is a view.
 *
 * <pre>
 *   forward:   slice ─▶ forward   ─▶ its statistics, y of the slice
 *   backward:  slice ─▶ backward  ─▶ dx of the slice; sums of all slices
 * </pre>
 *
 * <p>The statistics of a forward are those of all its values; those of the slices are kept here, for the backward, the
 * running statistics and the population's. A batch without values is one slice.
 *
 * <p>Source: Hoffer, Hubara &amp; Soudry 2017, "Train longer, generalize better".
 */
final class GhostOperations implements TrainingOperations {
    private final BatchNormOperations backend;
    private final int size;
    private final int features;
    private final ElementType type;

    /** Those of forwards in flight, by the statistics of all their values. */
    private final Map<BatchStatistics, Slices> slices = new WeakHashMap<>();

    GhostOperations(BatchNormOperations backend, int size, int features, ElementType type) {
        this.backend = backend;
        this.size = size;
        this.features = features;
        this.type = type;
    }

    /** Lets running statistics follow the newest batch of {@code operations}: each of its slices in turn, if it has. */
    static void follow(
            BatchNormOperations operations, BatchStatistics batch, RunningStatistics running, OptionalDouble momentum) {
        Slices ofBatch = operations instanceof GhostOperations ghost ? ghost.find(batch) : null;
        if (ofBatch == null) {
            running.update(batch, momentum);
            return;
        }
        for (BatchStatistics slice : ofBatch.statistics) {
            running.update(slice, momentum);
        }
    }

    /** The statistics of each slice of a forward, or its own where it was not sliced. */
    List<BatchStatistics> ofEach(BatchStatistics batch) {
        Slices ofBatch = find(batch);
        return ofBatch == null ? List.of(batch) : List.copyOf(ofBatch.statistics);
    }

    @Override
    public BatchNormOperations backend() {
        return backend;
    }

    @Override
    public void requireNotOneValuePerFeature(BatchShape shape) {
        long last = shape.n() % size == 0 ? size : shape.n() % size;
        if (shape.n() > 0 && last * shape.spatial() == 1) {
            throw new IllegalArgumentException("shape: expected more than 1 value per feature to take batch statistics"
                    + " from, the last of the ghost batches of size " + size + " of " + shape + " has 1");
        }
    }

    /** Of a training forward, of which the backend gets no more than a slice at once. */
    @Override
    public void requireTaken(Tensors tensors) {
        backend.requireTaken(tensors.shape().n() > size ? slice(tensors, 0) : tensors);
    }

    @Override
    public void forward(Tensors tensors, Normalization normalization) {
        BatchShape shape = tensors.shape();
        Slices ofBatch = begin(normalization.statistics(), shape);
        for (int i = 0; i < ofBatch.statistics.size(); i++) {
            Tensors slice = slice(tensors, i);
            BatchStatistics statistics = ofBatch.statistics.get(i);
            statistics.count(slice.shape().valuesPerFeature());
            backend.forward(slice, normalization.withStatistics(statistics));
        }
        ofBatch.merge(normalization.statistics(), normalization.eps());
    }

    /** The statistics of each slice of a batch, which is not normalized with them. */
    void collectStatistics(Tensors tensors, BatchStatistics batch, double eps) {
        Slices ofBatch = begin(batch, tensors.shape());
        for (int i = 0; i < ofBatch.statistics.size(); i++) {
            backend.collectStatistics(slice(tensors, i), ofBatch.ofSlice);
            ofBatch.statistics.get(i).set(ofBatch.ofSlice, eps);
        }
        ofBatch.merge(batch, eps);
    }

    @Override
    public void forwardAlone(Tensors tensors, Normalization normalization) {
        synchronized (slices) {
            slices.remove(normalization.statistics());
        }
        backend.forward(tensors, normalization);
    }

    @Override
    public void backward(Tensors tensors, Normalization normalization, GradientSums sums) {
        Slices ofForward = normalization.throughStatistics() ? find(normalization.statistics()) : null;
        if (ofForward == null) {
            backend.backward(tensors, normalization, sums);
            return;
        }
        sums.clear();
        for (int i = 0; i < ofForward.statistics.size(); i++) {
            Normalization ofSlice = normalization.withStatistics(ofForward.statistics.get(i));
            backend.backward(slice(tensors, i), ofSlice, ofForward.sums);
            sums.add(ofForward.sums);
        }
    }

    private Tensors slice(Tensors tensors, int i) {
        long from = (long) i * size;
        return tensors.samples(from, Math.min(size, tensors.shape().n() - from));
    }

    private @Nullable Slices find(BatchStatistics batch) {
        synchronized (slices) {
            return slices.get(batch);
        }
    }

    /** Makes room for the statistics of as many slices as a batch has. */
    private Slices begin(BatchStatistics batch, BatchShape shape) {
        Slices ofBatch;
        synchronized (slices) {
            ofBatch = slices.computeIfAbsent(batch, key -> new Slices(features, type));
        }
        long count = shape.elements() == 0 ? 1 : (shape.n() + size - 1) / size;
        ofBatch.resize(Math.toIntExact(count));
        return ofBatch;
    }

    /** The statistics of the slices of one batch, and what it takes to merge them. */
    private static final class Slices {
        final List<BatchStatistics> statistics = new ArrayList<>();
        final Moments ofSlice;
        final GradientSums sums;
        private final Moments all;
        private final int features;
        private final ElementType type;

        Slices(int features, ElementType type) {
            this.features = features;
            this.type = type;
            this.ofSlice = new Moments(features);
            this.sums = new GradientSums(features);
            this.all = new Moments(features);
        }

        void resize(int count) {
            while (statistics.size() > count) {
                statistics.removeLast();
            }
            while (statistics.size() < count) {
                statistics.add(new BatchStatistics(features, type));
            }
        }

        /** Sets the statistics of all values. */
        void merge(BatchStatistics batch, double eps) {
            all.clear();
            for (BatchStatistics slice : statistics) {
                slice.copyTo(ofSlice);
                all.add(ofSlice);
            }
            batch.set(all, eps);
        }
    }
}

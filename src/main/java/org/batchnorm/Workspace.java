package org.batchnorm;

import org.batchnorm.spi.Activations;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Moments;
import org.batchnorm.spi.Tensors;
import org.jspecify.annotations.Nullable;

/** What one call needs beside the caller's data; used again, so that a call allocates nothing. */
final class Workspace {
    final Tensors tensors;
    private final int features;
    private @Nullable Moments moments;
    private @Nullable GradientSums sums;

    Workspace(int features, Activations activations) {
        this.tensors = new Tensors(activations);
        this.features = features;
    }

    Moments moments() {
        Moments own = moments;
        if (own == null) {
            own = new Moments(features);
            moments = own;
        }
        return own;
    }

    GradientSums sums() {
        GradientSums own = sums;
        if (own == null) {
            own = new GradientSums(features);
            sums = own;
        }
        return own;
    }
}

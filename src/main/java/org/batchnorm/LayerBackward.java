package org.batchnorm;

import org.batchnorm.data.Batch;
import org.batchnorm.spi.GradientSums;

/** The backward of a layer, whose gradients of γ and β are added to those that it has. */
final class LayerBackward {
    private final BatchNorm layer;
    private final GradientSums sums;

    LayerBackward(BatchNorm layer) {
        this.layer = layer;
        this.sums = new GradientSums(layer.function.features());
    }

    /** That of the forward that filled {@code saved}. */
    void run(Batch x, Batch dy, Batch dx, SavedStatistics saved) {
        layer.oneThread.enter("backward");
        try {
            run(layer.function.take(x, dy, dx, saved), saved);
        } finally {
            layer.oneThread.leave();
        }
    }

    /** That of the forward with a residual that filled {@code saved}. */
    void run(Batch x, Batch y, Batch dy, Batch dx, Batch dresidual, SavedStatistics saved) {
        layer.oneThread.enter("backward");
        try {
            run(layer.function.take(x, y, dy, dx, dresidual, saved), saved);
        } finally {
            layer.oneThread.leave();
        }
    }

    private void run(Workspace workspace, SavedStatistics saved) {
        layer.function.backward(workspace, layer.state.parameters, saved, sums);
        layer.state.add(sums);
    }
}

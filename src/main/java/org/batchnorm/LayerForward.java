package org.batchnorm;

import org.batchnorm.data.Batch;
import org.jspecify.annotations.Nullable;

/**
 * The forward of a layer, as its mode and its switches say: with the batch's statistics or with the running ones, which
 * may follow the batch in either case.
 */
final class LayerForward {
    private final BatchNorm layer;
    private final BatchNormFunction function;
    private final Spare<SavedStatistics> spareStatistics;

    LayerForward(BatchNorm layer) {
        this.layer = layer;
        this.function = layer.function;
        this.spareStatistics = new Spare<>(() -> SavedStatistics.withoutBackward(function.features()));
    }

    /**
     * Normalizes a batch. What changes the layer is for one thread at a time.
     *
     * @param residual in; null: none
     * @param saved out; null: nobody wants the statistics
     * @param ofLayer whether {@code saved} is the layer's own
     */
    void run(Batch x, @Nullable Batch residual, Batch y, @Nullable SavedStatistics saved, boolean ofLayer) {
        RunningStatistics update = layer.updateRunningStatistics ? layer.state.running : null;
        if (!ofLayer && update == null) {
            normalize(x, residual, y, saved, null);
            return;
        }
        layer.oneThread.enter("forward");
        try {
            normalize(x, residual, y, saved, update);
        } finally {
            layer.oneThread.leave();
        }
    }

    private void normalize(
            Batch x,
            @Nullable Batch residual,
            Batch y,
            @Nullable SavedStatistics saved,
            @Nullable RunningStatistics update) {
        Parameters parameters = layer.state.parameters;
        RunningStatistics running = layer.state.running;
        if (layer.useBatchStatistics || running == null) {
            SavedStatistics ofBatch = saved != null ? saved : spareStatistics.take();
            function.forward(x, residual, y, parameters, ofBatch, layer.isTraining());
            follow(update, ofBatch);
            if (saved == null) {
                giveBack(ofBatch);
            }
            return;
        }
        SavedStatistics ofBatch = update != null ? spareStatistics.take() : null;
        if (ofBatch != null) {
            function.collectStatistics(x, ofBatch.begin(function.arguments.type()));
        }
        function.transform(x, residual, y, parameters, running.mean, running.variance, saved);
        if (ofBatch != null) {
            follow(update, ofBatch);
            giveBack(ofBatch);
        }
    }

    private void follow(@Nullable RunningStatistics running, SavedStatistics ofBatch) {
        if (running != null) {
            GhostOperations.follow(
                    function.operations,
                    ofBatch.statistics(),
                    running,
                    layer.config().momentum());
        }
    }

    private void giveBack(SavedStatistics borrowed) {
        borrowed.empty();
        spareStatistics.giveBack(borrowed);
    }
}

package org.batchnorm;

import org.batchnorm.data.ElementType;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Moments;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;

/**
 * The gradients of γ and β of a part of a batch, which was normalized with the statistics of all of it. A backend keeps
 * the digits of dγ, whatever the mean of dy, where it reduces about the mean of the very values that it has. So this
 * goes by the part's own mean μ′ first:
 *
 * <pre>{@code Σ dy · (x − μ) = Σ dy · (x − μ′) + (μ′ − μ) · Σ dy}</pre>
 */
final class PartGradients {
    private final BatchNormOperations backend;
    private final BatchStatistics ofPart;

    PartGradients(BatchNormOperations backend, int features, ElementType type) {
        this.backend = backend;
        this.ofPart = new BatchStatistics(features, type);
    }

    /**
     * Reduces a part.
     *
     * @param tensors x and dy in, of the part
     * @param ofAll in, that of the forward
     * @param moments in, of the part
     * @param into out, overwritten: the sums of the part
     */
    void reduce(Tensors tensors, Normalization ofAll, Moments moments, GradientSums into) {
        if (moments.count() == 0) {
            into.clear();
            return;
        }
        BatchStatistics all = ofAll.statistics();
        ofPart.set(moments, ofAll.eps());
        backend.reduceGradients(tensors, ofAll.withStatistics(ofPart), into);
        for (int c = 0; c < into.dgamma().length; c++) {
            double sum = into.dgamma()[c] / ofPart.rstd(c);
            double moved = all.distance(moments.mean()[c], moments.meanLow()[c], c) * into.dbeta()[c];
            into.dgamma()[c] = (sum + moved) * all.rstd(c);
        }
    }
}

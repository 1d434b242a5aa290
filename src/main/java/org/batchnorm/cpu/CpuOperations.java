package org.batchnorm.cpu;

import java.lang.foreign.MemorySegment;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.BatchStatistics;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Moments;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;

/**
 * The operations of both CPU backends. Chooses how the memory is seen (all of it as arrays or all of it as segments),
 * the blocks for the shape and the number of threads, and leaves the work to an {@link Execution}.
 */
final class CpuOperations implements BatchNormOperations {
    /** Below this many values, waking other threads costs more than they save. */
    private static final long ALONE_BELOW = 64 * 1024;

    private final Kernels kernels;
    private final int threads;
    private volatile Blocks blocks = Blocks.NONE;

    CpuOperations(Kernels kernels, int threads) {
        this.kernels = kernels;
        this.threads = threads;
    }

    @Override
    public void collectStatistics(Tensors tensors, Moments moments) {
        Batch x = tensors.x();
        BatchShape shape = tensors.shape();
        BatchStatistics statistics = new BatchStatistics(shape.c());
        Execution execution = begin(x, x, x);
        try {
            execution.collectStatistics(1, statistics);
        } finally {
            Executions.giveBack(execution);
        }
        for (int c = 0; c < shape.c(); c++) {
            moments.mean()[c] = (double) statistics.mean()[c] + statistics.meanLow()[c];
            moments.m2()[c] = (double) statistics.variance()[c] * shape.valuesPerFeature();
        }
        moments.count(shape.valuesPerFeature());
    }

    @Override
    public void transform(Tensors tensors, Normalization normalization) {
        BatchStatistics statistics = normalization.statistics();
        float[] gamma = normalization.gamma();
        float[] beta = normalization.beta();
        Execution execution = begin(tensors.x(), tensors.x(), tensors.y());
        try {
            if (normalization.throughStatistics()) {
                execution.transform(gamma, beta, statistics);
            } else {
                execution.inference(gamma, beta, statistics.mean(), statistics.variance(), normalization.eps());
            }
        } finally {
            Executions.giveBack(execution);
        }
    }

    @Override
    public void forward(Tensors tensors, Normalization normalization) {
        Execution execution = begin(tensors.x(), tensors.x(), tensors.y());
        try {
            execution.forward(
                    normalization.gamma(), normalization.beta(), normalization.eps(), normalization.statistics());
        } finally {
            Executions.giveBack(execution);
        }
    }

    @Override
    public void reduceGradients(Tensors tensors, Normalization normalization, GradientSums sums) {
        backward(tensors, normalization, sums, false);
    }

    @Override
    public void backward(Tensors tensors, Normalization normalization, GradientSums sums) {
        if (normalization.throughStatistics() && tensors.shape().valuesPerFeature() == 2) {
            TwoValues.backward(tensors, normalization, sums);
        } else {
            backward(tensors, normalization, sums, true);
        }
    }

    private void backward(Tensors tensors, Normalization normalization, GradientSums sums, boolean writesDx) {
        BatchShape shape = tensors.shape();
        float[] dgamma = new float[shape.c()];
        float[] dbeta = new float[shape.c()];
        BatchStatistics statistics = normalization.statistics();
        Execution execution = begin(tensors.x(), tensors.dy(), writesDx ? tensors.dx() : tensors.x());
        try {
            if (writesDx) {
                boolean through = normalization.throughStatistics();
                execution.backward(normalization.gamma(), statistics, through, dgamma, dbeta);
            } else {
                execution.reduceGradients(statistics, dgamma, dbeta);
            }
        } finally {
            Executions.giveBack(execution);
        }
        for (int c = 0; c < shape.c(); c++) {
            sums.dgamma()[c] = dgamma[c];
            sums.dbeta()[c] = dbeta[c];
        }
        sums.count(shape.valuesPerFeature());
    }

    @Override
    public void inputGradient(Tensors tensors, Normalization normalization, GradientSums sums) {
        BatchShape shape = tensors.shape();
        BatchStatistics statistics = normalization.statistics();
        MemorySegment x = tensors.x().segment();
        MemorySegment dy = tensors.dy().segment();
        MemorySegment dx = tensors.dx().segment();
        float[] gamma = normalization.gamma();
        long run = shape.featuresContiguous() ? 1 : shape.spatial();
        double perValue = 1.0 / sums.count();
        for (long i = 0; i < shape.elements(); i++) {
            int c = (int) (i / run % shape.c());
            double rstd = statistics.rstd()[c];
            double scale = gamma == null ? rstd : gamma[c] * rstd;
            double gradient = Memory.get(dy, i);
            if (normalization.throughStatistics()) {
                double normalized = ((double) Memory.get(x, i)
                                - statistics.mean()[c]
                                - statistics.meanLow()[c])
                        * rstd;
                double centred = gradient - sums.dbeta()[c] * perValue;
                gradient = sums.count() == 2
                        ? normalization.eps() * rstd * rstd * centred
                        : centred - normalized * sums.dgamma()[c] * perValue;
            }
            Memory.set(dx, i, (float) (scale * gradient));
        }
    }

    private Execution begin(Batch x, Batch second, Batch out) {
        Blocks cut = blocks;
        if (!cut.shape.equals(x.shape())) {
            cut = Blocks.of(x.shape());
            blocks = cut;
        }
        boolean arrays = x.isArray() && second.isArray() && out.isArray();
        int most = arrays ? threads : threadsFor(x.segment(), second.segment(), out.segment());
        Execution execution = Executions.take();
        execution.begin(
                kernels, cut, x.shape().elements() < ALONE_BELOW ? 1 : most, memory(x, arrays), start(x, arrays));
        execution.readAlso(memory(second, arrays), start(second, arrays));
        execution.writeTo(memory(out, arrays), start(out, arrays));
        return execution;
    }

    private static Object memory(Batch batch, boolean arrays) {
        return arrays ? batch.array() : batch.segment();
    }

    private static long start(Batch batch, boolean arrays) {
        return arrays ? batch.start() : 0;
    }

    /** Segments that only the caller may touch are left to it. */
    private int threadsFor(MemorySegment a, MemorySegment b, MemorySegment c) {
        Thread stranger = WorkerPool.STRANGER;
        return a.isAccessibleBy(stranger) && b.isAccessibleBy(stranger) && c.isAccessibleBy(stranger) ? threads : 1;
    }
}

package org.batchnorm.cpu;

import org.batchnorm.cpu.float64.Float64Operations;
import org.batchnorm.data.ElementType;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Moments;
import org.batchnorm.spi.Normalization;
import org.batchnorm.spi.Tensors;

/** The two engines of a CPU backend: one for batches of FLOAT64, one for all others. */
final class ByElementType implements BatchNormOperations {
    private final BatchNormOperations others;
    private final BatchNormOperations float64;

    ByElementType(BatchNormOperations others, int threads) {
        this.others = others;
        this.float64 = new Float64Operations(threads);
    }

    private BatchNormOperations of(Tensors tensors) {
        return tensors.x().type() == ElementType.FLOAT64 ? float64 : others;
    }

    @Override
    public void collectStatistics(Tensors tensors, Moments moments) {
        of(tensors).collectStatistics(tensors, moments);
    }

    @Override
    public void transform(Tensors tensors, Normalization normalization) {
        of(tensors).transform(tensors, normalization);
    }

    @Override
    public void forward(Tensors tensors, Normalization normalization) {
        of(tensors).forward(tensors, normalization);
    }

    @Override
    public void reduceGradients(Tensors tensors, Normalization normalization, GradientSums sums) {
        of(tensors).reduceGradients(tensors, normalization, sums);
    }

    @Override
    public void inputGradient(Tensors tensors, Normalization normalization, GradientSums sums) {
        of(tensors).inputGradient(tensors, normalization, sums);
    }

    @Override
    public void backward(Tensors tensors, Normalization normalization, GradientSums sums) {
        of(tensors).backward(tensors, normalization, sums);
    }

    @Override
    public boolean doesActivations() {
        return others.doesActivations();
    }

    @Override
    public boolean doesBackwardFromOutput() {
        return others.doesBackwardFromOutput();
    }

    @Override
    public boolean takes16Bit() {
        return others.takes16Bit();
    }

    @Override
    public boolean takesFloat64() {
        return true;
    }

    @Override
    public void close() {
        others.close();
        float64.close();
    }
}

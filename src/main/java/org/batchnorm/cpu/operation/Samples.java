package org.batchnorm.cpu.operation;

import org.batchnorm.cpu.cut.Cut;
import org.batchnorm.cpu.cut.CutPolicy;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.Kernels;
import org.batchnorm.cpu.kernel.Operands;
import org.batchnorm.cpu.kernel.Rows;
import org.batchnorm.cpu.kernel.Shift;

/** The samples of which a {@link Shift} is made: a few values of each feature, evenly spread over the batch. */
final class Samples {
    private Samples() {}

    /**
     * Takes the samples of the features {@code from} to {@code to}, and their shift: of dy where there is one, else of
     * x. They are spread over the rows, or over the images, at a later position in each, and over few images several in
     * each.
     */
    static void take(Cut cut, Operands o, Kernels kernels, Rows scratch, Coefficients into, int from, int to) {
        long[] positions = scratch.tile.positions;
        long spatial = cut.samplesRows() ? 1 : cut.shape.spatial();
        int samples = CutPolicy.samples(cut.shape);
        long apart = cut.shape.valuesPerFeature() / samples + (cut.shape.n() >= samples ? spatial / samples : 0);
        for (int i = 0; i < samples; i++) {
            positions[i] = i * apart / spatial * cut.features * spatial + i * apart % spatial;
        }
        if (cut.samplesRows()) {
            scratch.columns(cut.features, from, to).rows(0, samples);
            kernels.sampling(o, CutPolicy.isRare(cut.shape)).sample(o, scratch, into);
            return;
        }
        for (int c = from; c < to; c++) {
            Shift.sample(o, c * cut.shape.spatial(), positions, samples, into, c);
        }
    }
}

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
     * x.
     */
    static void take(Cut cut, Operands o, Kernels kernels, Rows scratch, Coefficients into, int from, int to) {
        if (cut.byRows && cut.columns.repeat == 1) {
            int samples = CutPolicy.samplesOfRows(cut.dataRows(), o.hasSecond());
            scratch.columns(cut.features, from, to)
                    .rows(0, samples)
                    .streams(1, cut.dataRows() / samples * cut.features);
            kernels.sampling(o, CutPolicy.isRare(cut.shape)).sample(o, scratch, into);
        } else {
            sampleChannels(cut, o, into, from, to);
        }
    }

    /** The same of channels-first data. */
    private static void sampleChannels(Cut cut, Operands o, Coefficients into, int from, int to) {
        boolean second = o.hasSecond();
        Object memory = second ? o.second : o.x;
        float[] shift = second ? into.dyShift : into.shift;
        long spatial = cut.shape.spatial();
        long start = second ? o.secondStart : o.xStart;
        int samples;
        long apart;
        if (cut.byRows && !CutPolicy.samplesOneImage(cut, second)) {
            samples = CutPolicy.samplesOfRows(cut.dataRows(), second);
            apart = cut.dataRows() / samples * cut.imageApart();
        } else {
            // Of many images, one sample each, at a later position each time; of few, all from the image in the middle.
            samples = cut.byRows ? CutPolicy.samplesOfRows(spatial, second) : CutPolicy.samplesOfImages(cut.rows);
            apart = spatial / samples;
            if (!cut.byRows && CutPolicy.samplesAcross(cut.rows)) {
                apart += cut.rows / samples * cut.imageApart();
            } else {
                start += cut.rows / 2 * cut.imageApart();
            }
        }
        float significance = second ? Shift.significance(samples, false) : Shift.ANY;
        for (int c = from; c < to; c++) {
            shift[c] = Shift.sample(memory, start + c * spatial, samples, apart, significance);
        }
    }
}

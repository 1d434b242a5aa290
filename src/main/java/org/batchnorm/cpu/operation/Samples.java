package org.batchnorm.cpu.operation;

import org.batchnorm.cpu.cut.Cut;
import org.batchnorm.cpu.cut.CutPolicy;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.Kernels;
import org.batchnorm.cpu.kernel.Operands;
import org.batchnorm.cpu.kernel.Rows;
import org.batchnorm.cpu.kernel.Shift;

/** Where in a batch the values lie of which a {@link Shift} is made: evenly spread. */
final class Samples {
    private Samples() {}

    /** The shift of the features {@code from} to {@code to}: of x, or of dy where that is what is reduced with x. */
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
            samples = CutPolicy.samplesOfRows(cut.dataRows(), o.hasSecond());
            apart = cut.dataRows() / samples * cut.imageApart();
        } else {
            // From one image after the other, each time further on in it; of few images, from one in the middle.
            samples = cut.byRows ? CutPolicy.samplesOfRows(spatial, second) : CutPolicy.samplesOfImages(cut.rows);
            apart = spatial / samples;
            if (!cut.byRows && CutPolicy.samplesAcross(cut.rows)) {
                apart += cut.rows / samples * cut.imageApart();
            } else {
                start += cut.rows / 2 * cut.imageApart();
            }
        }
        for (int c = from; c < to; c++) {
            shift[c] = Shift.sample(memory, start + c * spatial, samples, apart, second);
        }
    }
}

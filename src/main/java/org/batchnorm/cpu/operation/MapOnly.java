package org.batchnorm.cpu.operation;

import org.batchnorm.cpu.cut.Cut;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.PerFeature;
import org.batchnorm.cpu.kernel.Rows;
import org.batchnorm.cpu.kernel.Sums;

/** An operation that reduces nothing: its coefficients come from statistics and sums that are there. */
abstract class MapOnly extends Operation {
    @Override
    public final boolean reduces() {
        return false;
    }

    @Override
    public final boolean maps() {
        return true;
    }

    @Override
    public final void prepareShift(Cut cut, Rows scratch, Coefficients into, int from, int to) {
        throw new IllegalStateException(getClass().getSimpleName() + " reduces nothing");
    }

    @Override
    public final void merge(Cut cut, Sums sums, PerFeature f, Coefficients into, int from, int to) {
        throw new IllegalStateException(getClass().getSimpleName() + " reduces nothing");
    }

    @Override
    public abstract void prepareMap(Cut cut, PerFeature f, Coefficients into);
}

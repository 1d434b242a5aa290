package org.batchnorm.cpu.kernel.vector;

import static jdk.incubator.vector.VectorOperators.ADD;
import static jdk.incubator.vector.VectorOperators.SUB;
import static org.batchnorm.cpu.kernel.vector.Species.FLOATS;
import static org.batchnorm.cpu.kernel.vector.Species.LANES;

import jdk.incubator.vector.FloatVector;
import org.batchnorm.cpu.kernel.ColumnSums;

/** Adds vectors to the sums of columns. */
final class VectorSums {
    private VectorSums() {}

    /** Adds the sums of four strips. No vector is given to another method, which would make it an object. */
    static void addStrips(float[] lanes, int first, ColumnSums s) {
        for (int k = 0; k < 4 * LANES; k += LANES) {
            int j = first + k;
            FloatVector more = FloatVector.fromArray(FLOATS, lanes, k);
            FloatVector old = FloatVector.fromArray(FLOATS, s.sum, j);
            FloatVector sum = old.lanewise(ADD, more);
            sum.intoArray(s.sum, j);
            FloatVector lost = more.lanewise(SUB, sum.lanewise(SUB, old));
            FloatVector.fromArray(FLOATS, s.sumLow, j).lanewise(ADD, lost).intoArray(s.sumLow, j);
            FloatVector products = FloatVector.fromArray(FLOATS, lanes, 4 * LANES + k);
            FloatVector.fromArray(FLOATS, s.product, j).lanewise(ADD, products).intoArray(s.product, j);
        }
    }

    /** {@link ColumnSums#add} of vectors. */
    static void add(ColumnSums s, int j, FloatVector more) {
        FloatVector old = FloatVector.fromArray(FLOATS, s.sum, j);
        FloatVector sum = old.lanewise(ADD, more);
        sum.intoArray(s.sum, j);
        FloatVector.fromArray(FLOATS, s.sumLow, j)
                .lanewise(ADD, more.lanewise(SUB, sum.lanewise(SUB, old)))
                .intoArray(s.sumLow, j);
    }

    static void add(float[] sums, int j, FloatVector more) {
        FloatVector.fromArray(FLOATS, sums, j).lanewise(ADD, more).intoArray(sums, j);
    }
}

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

    /** Adds the sums of four strips; in the same method as these it would be more than the compiler inlines. */
    static void addStrips(float[] lanes, int j, ColumnSums s) {
        add(s, j, FloatVector.fromArray(FLOATS, lanes, 0));
        add(s, j + LANES, FloatVector.fromArray(FLOATS, lanes, LANES));
        add(s, j + 2 * LANES, FloatVector.fromArray(FLOATS, lanes, 2 * LANES));
        add(s, j + 3 * LANES, FloatVector.fromArray(FLOATS, lanes, 3 * LANES));
        add(s.product, j, FloatVector.fromArray(FLOATS, lanes, 4 * LANES));
        add(s.product, j + LANES, FloatVector.fromArray(FLOATS, lanes, 5 * LANES));
        add(s.product, j + 2 * LANES, FloatVector.fromArray(FLOATS, lanes, 6 * LANES));
        add(s.product, j + 3 * LANES, FloatVector.fromArray(FLOATS, lanes, 7 * LANES));
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

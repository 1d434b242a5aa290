package org.batchnorm.cpu.kernel.vector;

import static jdk.incubator.vector.VectorOperators.ABS;
import static jdk.incubator.vector.VectorOperators.ADD;
import static jdk.incubator.vector.VectorOperators.FMA;
import static jdk.incubator.vector.VectorOperators.MUL;
import static jdk.incubator.vector.VectorOperators.SUB;
import static org.batchnorm.cpu.kernel.vector.Species.FLOATS;
import static org.batchnorm.cpu.kernel.vector.Species.LANES;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;
import org.batchnorm.cpu.cut.CutPolicy;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.ColumnSums;
import org.batchnorm.cpu.kernel.Operands;
import org.batchnorm.cpu.kernel.Reduction;
import org.batchnorm.cpu.kernel.Rows;
import org.batchnorm.cpu.kernel.RunReduction;
import org.batchnorm.cpu.kernel.Runs;
import org.batchnorm.cpu.kernel.Shift;
import org.batchnorm.cpu.kernel.Sums;

/**
 * {@link Reduction} on the Vector API. The one idea: rows that lie far apart are read at once, four or eight of x, or
 * two or four of x and as many of dy. Each is a stream of its own to the hardware's prefetcher, and one load and store
 * of the column's sums serves all. Where the tensors stay in the caches, which need no streams, columns are gone down
 * in strips instead, with their sums in registers.
 *
 * <p>Every column is added up by the same operations, whether it stands in a vector or in the rest beside the last one.
 */
final class VectorReduction implements Reduction {
    private static final Variant VARIANT = Specialized.variant(MethodHandles.lookup());
    private static final boolean IN_ARRAYS = VARIANT.inArrays();

    /** Whether there is a dy, and w is dy less its shift; else w is d. */
    private static final boolean SECOND = VARIANT.hasSecond();

    private static final VectorActivation INPUT = VARIANT.input();
    private static final VectorActivation OUTPUT = VARIANT.output();

    /** Whether the sign of the forward's result is needed, which is then made once more. */
    private static final boolean SIGN = SECOND && OUTPUT != VectorActivation.NONE;

    /** Whether four strips are gone down at once; with activations they are more than the compiler inlines. */
    private static final boolean FOUR_STRIPS = !VARIANT.hasActivations();

    /** Rows that are read at once. */
    private static final int STREAMS = SECOND ? 2 : 4;

    /**
     * Rows that are read at once where that pays: the sums are then loaded and stored half as often for a value. With
     * activations they are more than the compiler inlines.
     */
    private static final int MANY_STREAMS = VARIANT.hasActivations() ? STREAMS : 2 * STREAMS;

    /**
     * From this many columns on, x and dy are read from twice as many streams each, too: 15 % sooner. The sums of fewer
     * stay close to the arithmetic, and eight streams are more than some prefetchers follow: 10 % later (measured on an
     * AMD EPYC, family 25).
     */
    private static final int WIDE = 512;

    private static final Specialized<RunReduction> OF_RUNS = VectorRunReduction.copies();

    VectorReduction() {}

    /** A copy for each variant. */
    static Specialized<Reduction> copies() {
        return new Specialized<>(MethodHandles.lookup(), Reduction.class);
    }

    @Override
    public int streams(Operands o, boolean cached, int width) {
        if (cached) {
            return 1;
        }
        return SECOND && width < WIDE ? STREAMS : MANY_STREAMS;
    }

    // ---- rows

    /**
     * Each way has a method of its own: in this one, a loop that had not run yet when it was compiled would make an
     * object of every vector from then on, up to 17 times slower.
     */
    @Override
    public void rows(Operands o, Rows r, Coefficients c, ColumnSums s) {
        if (r.streams == 1) {
            strips(o, r, c, s);
        } else if (r.streams == STREAMS) {
            fewRows(o, r, c, s);
        } else {
            manyRows(o, r, c, s);
        }
    }

    /** As many rows as there are streams, far apart, at a time. */
    private static void fewRows(Operands o, Rows r, Coefficients c, ColumnSums s) {
        Object x = o.x;
        Object dy = o.second;
        float[] shift = c.shift;
        float[] dyShift = c.dyShift;
        long apart = r.apart;
        FloatVector in = VectorActivation.slope(o.ofX());
        FloatVector out = VectorActivation.slope(o.output);
        int end = Species.end(r.from, r.to);
        long xAt = o.xStart + r.first;
        long dyAt = o.secondStart + r.first;
        for (long i = 0; i < r.count; i++) {
            for (int j = r.from; j < end; j += LANES) {
                FloatVector m = FloatVector.fromArray(FLOATS, shift, j);
                FloatVector x0 = value(x, xAt, j, in);
                FloatVector x1 = value(x, xAt + apart, j, in);
                FloatVector d0 = x0.lanewise(SUB, m);
                FloatVector d1 = x1.lanewise(SUB, m);
                FloatVector w0 = d0;
                FloatVector w1 = d1;
                if (SECOND) {
                    FloatVector g = FloatVector.fromArray(FLOATS, dyShift, j);
                    w0 = OUTPUT.gradient(load(dy, dyAt, j), OUTPUT.forward(x0, o.forward, j), out)
                            .lanewise(SUB, g);
                    w1 = OUTPUT.gradient(load(dy, dyAt + apart, j), OUTPUT.forward(x1, o.forward, j), out)
                            .lanewise(SUB, g);
                }
                FloatVector added = w0.lanewise(ADD, w1);
                FloatVector products = d1.lanewise(FMA, w1, d0.lanewise(MUL, w0));
                if (!SECOND) {
                    FloatVector d2 = value(x, xAt + 2 * apart, j, in).lanewise(SUB, m);
                    FloatVector d3 = value(x, xAt + 3 * apart, j, in).lanewise(SUB, m);
                    added = added.lanewise(ADD, d2.lanewise(ADD, d3));
                    products = products.lanewise(ADD, d3.lanewise(FMA, d3, d2.lanewise(MUL, d2)));
                }
                VectorSums.add(s, j, added);
                VectorSums.add(s.product, j, products);
            }
            for (int j = end; j < r.to; j++) {
                addColumn(o, r.first + i * r.width + j, r, j, c, s);
            }
            xAt += r.width;
            dyAt += r.width;
        }
    }

    /** The same of twice as many rows. */
    private static void manyRows(Operands o, Rows r, Coefficients c, ColumnSums s) {
        Object x = o.x;
        Object dy = o.second;
        long apart = r.apart;
        long far = 4 * apart;
        int end = Species.end(r.from, r.to);
        long xAt = o.xStart + r.first;
        long dyAt = o.secondStart + r.first;
        for (long i = 0; i < r.count; i++) {
            for (int j = r.from; j < end; j += LANES) {
                FloatVector m = FloatVector.fromArray(FLOATS, c.shift, j);
                FloatVector g = SECOND ? FloatVector.fromArray(FLOATS, c.dyShift, j) : m;
                FloatVector d0 = load(x, xAt, j).lanewise(SUB, m);
                FloatVector d1 = load(x, xAt + apart, j).lanewise(SUB, m);
                FloatVector d2 = load(x, xAt + 2 * apart, j).lanewise(SUB, m);
                FloatVector d3 = load(x, xAt + 3 * apart, j).lanewise(SUB, m);
                FloatVector w0 = SECOND ? load(dy, dyAt, j).lanewise(SUB, g) : d0;
                FloatVector w1 = SECOND ? load(dy, dyAt + apart, j).lanewise(SUB, g) : d1;
                FloatVector w2 = SECOND ? load(dy, dyAt + 2 * apart, j).lanewise(SUB, g) : d2;
                FloatVector w3 = SECOND ? load(dy, dyAt + 3 * apart, j).lanewise(SUB, g) : d3;
                FloatVector added = w0.lanewise(ADD, w1).lanewise(ADD, w2.lanewise(ADD, w3));
                FloatVector p0 = d1.lanewise(FMA, w1, d0.lanewise(MUL, w0));
                FloatVector products = p0.lanewise(ADD, d3.lanewise(FMA, w3, d2.lanewise(MUL, w2)));
                if (!SECOND) {
                    FloatVector d4 = load(x, xAt + far, j).lanewise(SUB, m);
                    FloatVector d5 = load(x, xAt + far + apart, j).lanewise(SUB, m);
                    FloatVector d6 = load(x, xAt + far + 2 * apart, j).lanewise(SUB, m);
                    FloatVector d7 = load(x, xAt + far + 3 * apart, j).lanewise(SUB, m);
                    FloatVector p4 = d5.lanewise(FMA, d5, d4.lanewise(MUL, d4));
                    FloatVector p6 = d7.lanewise(FMA, d7, d6.lanewise(MUL, d6));
                    added = added.lanewise(ADD, d4.lanewise(ADD, d5).lanewise(ADD, d6.lanewise(ADD, d7)));
                    products = products.lanewise(ADD, p4.lanewise(ADD, p6));
                }
                VectorSums.add(s, j, added);
                // Without a method: on segments this one is so large that the compiler inlines no more of ours.
                FloatVector.fromArray(FLOATS, s.product, j)
                        .lanewise(ADD, products)
                        .intoArray(s.product, j);
            }
            for (int j = end; j < r.to; j++) {
                addColumn(o, r.first + i * r.width + j, r, j, c, s);
            }
            xAt += r.width;
            dyAt += r.width;
        }
    }

    /** One column of as many rows as there are streams, in the order of the vectors: pairs, then pairs of these. */
    private static void addColumn(Operands o, long at, Rows r, int j, Coefficients c, ColumnSums s) {
        long apart = r.apart;
        float added = weights(o, at, apart, j, c);
        float products = products(o, at, apart, j, c);
        if (r.streams >= 4) {
            added += weights(o, at + 2 * apart, apart, j, c);
            products += products(o, at + 2 * apart, apart, j, c);
        }
        if (r.streams == 8) {
            long far = at + 4 * apart;
            added += weights(o, far, apart, j, c) + weights(o, far + 2 * apart, apart, j, c);
            products += products(o, far, apart, j, c) + products(o, far + 2 * apart, apart, j, c);
        }
        s.add(j, added);
        s.product[j] += products;
    }

    private static float weights(Operands o, long at, long apart, int j, Coefficients c) {
        return weight(o, at, j, c) + weight(o, at + apart, j, c);
    }

    private static float products(Operands o, long at, long apart, int j, Coefficients c) {
        float product = distance(o, at, j, c) * weight(o, at, j, c);
        return Math.fma(distance(o, at + apart, j, c), weight(o, at + apart, j, c), product);
    }

    /** Goes down strips of columns, two rows at a time: four vectors wide, then one, then one column. */
    private static void strips(Operands o, Rows r, Coefficients c, ColumnSums s) {
        long pairs = r.count & -2;
        for (long i = 0; i < pairs; i += CutPolicy.STRIP_ROWS) {
            long at = r.first + i * r.width;
            int rows = (int) Math.min(CutPolicy.STRIP_ROWS, pairs - i);
            int j = r.from;
            for (; FOUR_STRIPS && j + 4 * LANES <= r.to; j += 4 * LANES) {
                fourStrips(o, r, at, rows, j, c);
                VectorSums.addStrips(r.tile.a, j, s);
            }
            narrowStrips(o, r, at, rows, j, c, s);
        }
        if (pairs < r.count) {
            narrowStrips(o, r, r.first + pairs * r.width, 1, r.from, c, s);
        }
    }

    /** The sums of four strips, into the lanes of the tile. */
    private static void fourStrips(Operands o, Rows r, long at, int rows, int j, Coefficients c) {
        long width = r.width;
        Object x = o.x;
        Object dy = o.second;
        long xAt = o.xStart + at;
        long dyAt = o.secondStart + at;
        FloatVector shift0 = FloatVector.fromArray(FLOATS, c.shift, j);
        FloatVector shift1 = FloatVector.fromArray(FLOATS, c.shift, j + LANES);
        FloatVector shift2 = FloatVector.fromArray(FLOATS, c.shift, j + 2 * LANES);
        FloatVector shift3 = FloatVector.fromArray(FLOATS, c.shift, j + 3 * LANES);
        FloatVector g0 = SECOND ? FloatVector.fromArray(FLOATS, c.dyShift, j) : shift0;
        FloatVector g1 = SECOND ? FloatVector.fromArray(FLOATS, c.dyShift, j + LANES) : shift1;
        FloatVector g2 = SECOND ? FloatVector.fromArray(FLOATS, c.dyShift, j + 2 * LANES) : shift2;
        FloatVector g3 = SECOND ? FloatVector.fromArray(FLOATS, c.dyShift, j + 3 * LANES) : shift3;
        FloatVector zero = FloatVector.zero(FLOATS);
        FloatVector sum0 = zero;
        FloatVector sum1 = zero;
        FloatVector sum2 = zero;
        FloatVector sum3 = zero;
        FloatVector product0 = zero;
        FloatVector product1 = zero;
        FloatVector product2 = zero;
        FloatVector product3 = zero;
        for (int i = 0; i < rows; i += 2) {
            FloatVector d0 = load(x, xAt, j).lanewise(SUB, shift0);
            FloatVector d1 = load(x, xAt, j + LANES).lanewise(SUB, shift1);
            FloatVector d2 = load(x, xAt, j + 2 * LANES).lanewise(SUB, shift2);
            FloatVector d3 = load(x, xAt, j + 3 * LANES).lanewise(SUB, shift3);
            FloatVector e0 = load(x, xAt + width, j).lanewise(SUB, shift0);
            FloatVector e1 = load(x, xAt + width, j + LANES).lanewise(SUB, shift1);
            FloatVector e2 = load(x, xAt + width, j + 2 * LANES).lanewise(SUB, shift2);
            FloatVector e3 = load(x, xAt + width, j + 3 * LANES).lanewise(SUB, shift3);
            FloatVector v0 = SECOND ? load(dy, dyAt, j).lanewise(SUB, g0) : d0;
            FloatVector v1 = SECOND ? load(dy, dyAt, j + LANES).lanewise(SUB, g1) : d1;
            FloatVector v2 = SECOND ? load(dy, dyAt, j + 2 * LANES).lanewise(SUB, g2) : d2;
            FloatVector v3 = SECOND ? load(dy, dyAt, j + 3 * LANES).lanewise(SUB, g3) : d3;
            FloatVector w0 = SECOND ? load(dy, dyAt + width, j).lanewise(SUB, g0) : e0;
            FloatVector w1 = SECOND ? load(dy, dyAt + width, j + LANES).lanewise(SUB, g1) : e1;
            FloatVector w2 = SECOND ? load(dy, dyAt + width, j + 2 * LANES).lanewise(SUB, g2) : e2;
            FloatVector w3 = SECOND ? load(dy, dyAt + width, j + 3 * LANES).lanewise(SUB, g3) : e3;
            sum0 = v0.lanewise(ADD, w0).lanewise(ADD, sum0);
            sum1 = v1.lanewise(ADD, w1).lanewise(ADD, sum1);
            sum2 = v2.lanewise(ADD, w2).lanewise(ADD, sum2);
            sum3 = v3.lanewise(ADD, w3).lanewise(ADD, sum3);
            product0 = e0.lanewise(FMA, w0, d0.lanewise(FMA, v0, product0));
            product1 = e1.lanewise(FMA, w1, d1.lanewise(FMA, v1, product1));
            product2 = e2.lanewise(FMA, w2, d2.lanewise(FMA, v2, product2));
            product3 = e3.lanewise(FMA, w3, d3.lanewise(FMA, v3, product3));
            xAt += 2 * width;
            dyAt += 2 * width;
        }
        zero.lanewise(ADD, sum0).intoArray(r.tile.a, 0);
        zero.lanewise(ADD, sum1).intoArray(r.tile.a, LANES);
        zero.lanewise(ADD, sum2).intoArray(r.tile.a, 2 * LANES);
        zero.lanewise(ADD, sum3).intoArray(r.tile.a, 3 * LANES);
        zero.lanewise(ADD, product0).intoArray(r.tile.a, 4 * LANES);
        zero.lanewise(ADD, product1).intoArray(r.tile.a, 5 * LANES);
        zero.lanewise(ADD, product2).intoArray(r.tile.a, 6 * LANES);
        zero.lanewise(ADD, product3).intoArray(r.tile.a, 7 * LANES);
    }

    /**
     * Adds up strips as wide as a vector, and columns, from column {@code from} on. A single row is added to itself,
     * and half of that is taken.
     */
    private static void narrowStrips(Operands o, Rows r, long at, int rows, int from, Coefficients c, ColumnSums s) {
        long width = rows == 1 ? 0 : r.width;
        float half = rows == 1 ? 0.5f : 1;
        FloatVector share = FloatVector.broadcast(FLOATS, half);
        int end = Species.end(from, r.to);
        FloatVector zero = FloatVector.zero(FLOATS);
        FloatVector in = VectorActivation.slope(o.ofX());
        FloatVector out = VectorActivation.slope(o.output);
        for (int j = from; j < end; j += LANES) {
            FloatVector shift = FloatVector.fromArray(FLOATS, c.shift, j);
            FloatVector g = SECOND ? FloatVector.fromArray(FLOATS, c.dyShift, j) : shift;
            FloatVector sum = zero;
            FloatVector product = zero;
            long xAt = o.xStart + at;
            long dyAt = o.secondStart + at;
            for (int i = 0; i < rows; i += 2) {
                FloatVector x0 = value(o.x, xAt, j, in);
                FloatVector x1 = value(o.x, xAt + width, j, in);
                FloatVector d = x0.lanewise(SUB, shift);
                FloatVector e = x1.lanewise(SUB, shift);
                FloatVector v = d;
                FloatVector w = e;
                if (SECOND) {
                    v = OUTPUT.gradient(load(o.second, dyAt, j), OUTPUT.forward(x0, o.forward, j), out)
                            .lanewise(SUB, g);
                    w = OUTPUT.gradient(load(o.second, dyAt + width, j), OUTPUT.forward(x1, o.forward, j), out)
                            .lanewise(SUB, g);
                }
                sum = v.lanewise(ADD, w).lanewise(ADD, sum);
                product = e.lanewise(FMA, w, d.lanewise(FMA, v, product));
                xAt += 2 * width;
                dyAt += 2 * width;
            }
            VectorSums.add(s, j, zero.lanewise(ADD, sum).lanewise(MUL, share));
            VectorSums.add(s.product, j, zero.lanewise(ADD, product).lanewise(MUL, share));
        }
        for (int j = end; j < r.to; j++) {
            float sum = 0;
            float product = 0;
            for (int i = 0; i < rows; i += 2) {
                long row = at + j + i * width;
                float v = weight(o, row, j, c);
                float w = weight(o, row + width, j, c);
                sum += v + w;
                product = Math.fma(distance(o, row + width, j, c), w, Math.fma(distance(o, row, j, c), v, product));
            }
            s.add(j, sum * half);
            s.product[j] += product * half;
        }
    }

    private static float distance(Operands o, long at, int j, Coefficients c) {
        return value(o, at) - c.shift[j];
    }

    private static float value(Operands o, long at) {
        return INPUT == VectorActivation.NONE ? o.x(at) : o.value(at);
    }

    private static float gradient(Operands o, long at, int j) {
        return SIGN ? o.gradientOfColumn(at, j) : o.second(at);
    }

    private static float weight(Operands o, long at, int j, Coefficients c) {
        return SECOND ? gradient(o, at, j) - c.dyShift[j] : distance(o, at, j, c);
    }

    @Override
    public void runs(Operands o, Runs r, Coefficients c, Sums s) {
        OF_RUNS.of(o).runs(o, r, c, s);
    }

    // ---- samples

    @Override
    public void sample(Operands o, Rows r, Coefficients c) {
        float[] shift = SECOND ? c.dyShift : c.shift;
        FloatVector in = VectorActivation.slope(o.ofX());
        FloatVector out = VectorActivation.slope(o.output);
        long[] positions = r.tile.positions;
        int samples = (int) r.count;
        FloatVector zero = FloatVector.zero(FLOATS);
        FloatVector perSample = FloatVector.broadcast(FLOATS, 1f / samples);
        FloatVector coarseness = FloatVector.broadcast(FLOATS, Shift.COARSENESS);
        int end = Species.end(r.from, r.to);
        for (int j = r.from; j < end; j += LANES) {
            FloatVector first = sampled(o, r.first, j, in, out);
            FloatVector sum = zero;
            FloatVector distances = zero;
            for (int i = 1; i < samples; i++) {
                FloatVector d = sampled(o, r.first + positions[i], j, in, out).lanewise(SUB, first);
                sum = d.lanewise(ADD, sum);
                distances = d.lanewise(ABS).lanewise(ADD, distances);
            }
            FloatVector mean = first.lanewise(ADD, zero.lanewise(ADD, sum).lanewise(MUL, perSample));
            FloatVector spread = zero.lanewise(ADD, distances).lanewise(MUL, perSample);
            FloatVector coarse = spread.lanewise(MUL, coarseness);
            mean.lanewise(ADD, coarse).lanewise(SUB, coarse).intoArray(shift, j);
            spread.intoArray(c.spread, j);
        }
        for (int j = end; j < r.to; j++) {
            Shift.sample(o, r.first + j, positions, samples, c, j);
        }
    }

    private static FloatVector sampled(Operands o, long at, int j, FloatVector in, FloatVector out) {
        FloatVector x = SECOND && !SIGN ? in : value(o.x, o.xStart + at, j, in);
        return SECOND
                ? OUTPUT.gradient(load(o.second, o.secondStart + at, j), OUTPUT.forward(x, o.forward, j), out)
                : x;
    }

    /** {@code input(x)}. */
    private static FloatVector value(Object memory, long start, int j, FloatVector slope) {
        return INPUT.value(load(memory, start, j), slope);
    }

    private static FloatVector load(Object memory, long start, int j) {
        return IN_ARRAYS ? Access.load((float[]) memory, start, j) : Access.load((MemorySegment) memory, start, j);
    }
}

package org.batchnorm.cpu.kernel.vector;

import static jdk.incubator.vector.VectorOperators.ADD;
import static jdk.incubator.vector.VectorOperators.FMA;
import static jdk.incubator.vector.VectorOperators.MUL;
import static jdk.incubator.vector.VectorOperators.SUB;
import static org.batchnorm.cpu.kernel.vector.Species.FLOATS;
import static org.batchnorm.cpu.kernel.vector.Species.GROUP;
import static org.batchnorm.cpu.kernel.vector.Species.LANES;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.Operands;
import org.batchnorm.cpu.kernel.RunReduction;
import org.batchnorm.cpu.kernel.Runs;
import org.batchnorm.cpu.kernel.Sums;

/**
 * {@link RunReduction} on the Vector API. The one idea: the runs of as many images as there are streams are read at
 * once, four of x, or two of x and two of dy; of a single image, as many equal parts of its run. Each is a stream of
 * its own to the hardware's prefetcher.
 */
final class VectorRunReduction implements RunReduction {
    private static final Variant VARIANT = Specialized.variant(MethodHandles.lookup());
    private static final boolean IN_ARRAYS = VARIANT.inArrays();

    /** Whether there is a dy, and w is dy less its shift; else w is d. */
    private static final boolean SECOND = VARIANT.hasSecond();

    private static final VectorActivation INPUT = VARIANT.input();
    private static final VectorActivation OUTPUT = VARIANT.output();

    /** Whether the sign of the forward's result is needed, which is then made once more. */
    private static final boolean SIGN = SECOND && OUTPUT != VectorActivation.NONE;

    /** Images whose runs are read at once, or parts of one run. */
    private static final int IMAGES = SECOND ? 2 : 4;

    VectorRunReduction() {}

    /** A copy for each variant. */
    static Specialized<RunReduction> copies() {
        return new Specialized<>(MethodHandles.lookup(), RunReduction.class);
    }

    @Override
    public void runs(Operands o, Runs r, Coefficients c, Sums s) {
        for (int channel = r.from; channel < r.to; channel++) {
            if (SIGN && OUTPUT.needsForward()) {
                r.tile.repeatForward(o.forward, channel, LANES);
            }
            long run = r.first + (channel - r.from) * r.channelApart;
            long i = 0;
            for (; i + IMAGES <= r.images; i += IMAGES) {
                addRuns(o, r, run + i * r.imageApart, true, channel, c, s);
            }
            for (; i < r.images; i++) {
                addRuns(o, r, run + i * r.imageApart, false, channel, c, s);
                addLast(o, r, run + i * r.imageApart, channel, c, s);
            }
        }
    }

    /** Adds the last values of one image's run: those left over where it does not divide into the streams. */
    private static void addLast(Operands o, Runs r, long at, int channel, Coefficients c, Sums s) {
        for (int j = r.length / IMAGES * IMAGES; j < r.length; j++) {
            double d = value(o, at + j) - c.shift[channel];
            double w = SECOND ? gradient(o, at + j, channel) - c.dyShift[channel] : d;
            s.sum[channel] += w;
            s.product[channel] += w * d;
        }
    }

    /**
     * Adds one run for each stream.
     *
     * @param wholeRuns whether they are the runs of as many images; else they are equal parts of one image's run
     */
    private static void addRuns(Operands o, Runs r, long at, boolean wholeRuns, int channel, Coefficients c, Sums s) {
        int length = wholeRuns ? r.length : r.length / IMAGES;
        long apart = wholeRuns ? r.imageApart : length;
        long xAt = o.xStart + at;
        long dyAt = o.secondStart + at;
        FloatVector shift = FloatVector.broadcast(FLOATS, c.shift[channel]);
        FloatVector dyShift = FloatVector.broadcast(FLOATS, SECOND ? c.dyShift[channel] : 0);
        FloatVector in = VectorActivation.slope(o.ofX());
        FloatVector out = VectorActivation.slope(o.output);
        FloatVector zero = FloatVector.zero(FLOATS);
        for (int part = 0; part < GROUP; part += LANES) {
            FloatVector sum = zero;
            FloatVector sumLow = zero;
            FloatVector product0 = zero;
            FloatVector product1 = zero;
            FloatVector product2 = zero;
            FloatVector product3 = zero;
            for (int j = part; j < (length & -GROUP); j += GROUP) {
                FloatVector x0 = value(o.x, xAt, j, in);
                FloatVector x1 = value(o.x, xAt + apart, j, in);
                FloatVector d0 = x0.lanewise(SUB, shift);
                FloatVector d1 = x1.lanewise(SUB, shift);
                FloatVector added;
                if (SECOND) {
                    FloatVector w0 = gradient(o, r, dyAt, j, x0, out).lanewise(SUB, dyShift);
                    FloatVector w1 = gradient(o, r, dyAt + apart, j, x1, out).lanewise(SUB, dyShift);
                    added = w0.lanewise(ADD, w1);
                    // The products carry what their rounding takes, as the sum does.
                    FloatVector products = d1.lanewise(FMA, w1, d0.lanewise(MUL, w0));
                    FloatVector product = products.lanewise(ADD, product0);
                    product1 = products.lanewise(SUB, product.lanewise(SUB, product0))
                            .lanewise(ADD, product1);
                    product0 = product;
                } else {
                    FloatVector d2 = value(o.x, xAt + 2 * apart, j, in).lanewise(SUB, shift);
                    FloatVector d3 = value(o.x, xAt + 3 * apart, j, in).lanewise(SUB, shift);
                    added = d0.lanewise(ADD, d1).lanewise(ADD, d2.lanewise(ADD, d3));
                    product0 = d0.lanewise(FMA, d0, product0);
                    product1 = d1.lanewise(FMA, d1, product1);
                    product2 = d2.lanewise(FMA, d2, product2);
                    product3 = d3.lanewise(FMA, d3, product3);
                }
                // The sum carries what its rounding takes: it may be much smaller than the values.
                FloatVector newSum = added.lanewise(ADD, sum);
                sumLow = added.lanewise(SUB, newSum.lanewise(SUB, sum)).lanewise(ADD, sumLow);
                sum = newSum;
            }
            zero.lanewise(ADD, sum).intoArray(r.tile.a, part);
            zero.lanewise(ADD, sumLow).intoArray(r.tile.a, GROUP + part);
            FloatVector products23 = zero.lanewise(ADD, product2).lanewise(ADD, product3);
            if (SECOND) {
                zero.lanewise(ADD, product0).intoArray(r.tile.a, 2 * GROUP + part);
                zero.lanewise(ADD, product1).intoArray(r.tile.a, 3 * GROUP + part);
            } else {
                FloatVector products01 = zero.lanewise(ADD, product0).lanewise(ADD, product1);
                products01.lanewise(ADD, products23).intoArray(r.tile.a, 2 * GROUP + part);
            }
        }
        addTotals(o, r, at, wholeRuns, channel, c, s);
    }

    /** {@code dy · output′(z)} of one channel, whose coefficients stand in the tile. */
    private static FloatVector gradient(Operands o, Runs r, long start, int j, FloatVector x, FloatVector slope) {
        return OUTPUT.gradient(load(o.second, start, j), OUTPUT.forward(x, r.tile.forward, 0), slope);
    }

    /** Adds the sums of the lanes, and the values behind the last whole group of them. */
    private static void addTotals(Operands o, Runs r, long at, boolean wholeRuns, int channel, Coefficients c, Sums s) {
        int length = wholeRuns ? r.length : r.length / IMAGES;
        long apart = wholeRuns ? r.imageApart : length;
        float[] lanes = r.tile.a;
        double sum = Access.compensatedTotal(lanes, 0);
        double product = SECOND ? Access.compensatedTotal(lanes, 2 * GROUP) : Access.total(lanes, 2 * GROUP);
        for (int j = length & -GROUP; j < length; j++) {
            for (int i = 0; i < IMAGES; i++) {
                float d = value(o, at + i * apart + j) - c.shift[channel];
                float w = SECOND ? gradient(o, at + i * apart + j, channel) - c.dyShift[channel] : d;
                sum += w;
                product += w * d;
            }
        }
        s.sum[channel] += sum;
        s.product[channel] += product;
    }

    private static float value(Operands o, long at) {
        return INPUT == VectorActivation.NONE ? o.x(at) : o.value(at);
    }

    private static float gradient(Operands o, long at, int channel) {
        return SIGN ? o.gradientOfColumn(at, channel) : o.second(at);
    }

    /** {@code input(x)}. */
    private static FloatVector value(Object memory, long start, int j, FloatVector slope) {
        return INPUT.value(load(memory, start, j), slope);
    }

    private static FloatVector load(Object memory, long start, int j) {
        return IN_ARRAYS ? Access.load((float[]) memory, start, j) : Access.load((MemorySegment) memory, start, j);
    }
}

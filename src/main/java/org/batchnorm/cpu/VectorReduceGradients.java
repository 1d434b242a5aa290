package org.batchnorm.cpu;

import static jdk.incubator.vector.VectorOperators.ADD;
import static jdk.incubator.vector.VectorOperators.FMA;
import static jdk.incubator.vector.VectorOperators.MUL;
import static jdk.incubator.vector.VectorOperators.SUB;
import static org.batchnorm.cpu.VectorMemory.FLOATS;

import java.lang.invoke.MethodHandles;
import jdk.incubator.vector.FloatVector;

/**
 * {@link ReduceGradients} on the Vector API. The ideas are those of {@link VectorCollectStatistics}: two rows (or
 * images) of x and as many of dy at once, as four would share too few lines of the first-level cache; and strips where
 * x and dy stay in the caches.
 */
final class VectorReduceGradients implements ReduceGradients {
    private static final boolean ON_ARRAYS = VectorMemory.onArrays(MethodHandles.lookup());
    private static final ReduceGradients ON_SEGMENTS =
            VectorMemory.onSegments(MethodHandles.lookup(), ReduceGradients.class);
    private static final int LANES = FLOATS.length();

    @Override
    public int streams(boolean cached) {
        return cached && VectorMemory.MANY_REGISTERS ? 1 : STREAMS;
    }

    @Override
    public void rows(
            Object x,
            long xStart,
            Object dy,
            long dyStart,
            int streams,
            long apart,
            int rows,
            long width,
            int from,
            int to,
            float[] centre,
            float[] sum,
            float[] product) {
        if (ON_ARRAYS && x.getClass() != float[].class) {
            ON_SEGMENTS.rows(x, xStart, dy, dyStart, streams, apart, rows, width, from, to, centre, sum, product);
            return;
        }
        if (streams == STREAMS) {
            for (int r = 0; r < rows; r++) {
                twoRows(x, xStart + r * width, dy, dyStart + r * width, apart, from, to, centre, sum, product);
            }
            return;
        }
        for (int r = 0; r < rows; r += Blocks.STRIP_ROWS) {
            long row = r * width;
            int height = Math.min(Blocks.STRIP_ROWS, rows - r);
            strips(x, xStart + row, dy, dyStart + row, height, width, from, to, centre, sum, product);
        }
    }

    private static void twoRows(
            Object x,
            long xStart,
            Object dy,
            long dyStart,
            long apart,
            int from,
            int to,
            float[] centre,
            float[] sum,
            float[] product) {
        int end = from + FLOATS.loopBound(to - from);
        for (int j = from; j < end; j += LANES) {
            FloatVector m = FloatVector.fromArray(FLOATS, centre, j);
            FloatVector g0 = load(dy, dyStart, j);
            FloatVector g1 = load(dy, dyStart + apart, j);
            FloatVector p0 = load(x, xStart, j).lanewise(SUB, m).lanewise(MUL, g0);
            FloatVector p1 = load(x, xStart + apart, j).lanewise(SUB, m).lanewise(FMA, g1, p0);
            FloatVector.fromArray(FLOATS, sum, j)
                    .lanewise(ADD, g0.lanewise(ADD, g1))
                    .intoArray(sum, j);
            FloatVector.fromArray(FLOATS, product, j).lanewise(ADD, p1).intoArray(product, j);
        }
        for (int j = end; j < to; j++) {
            add(Memory.get(x, xStart + j), Memory.get(dy, dyStart + j), j, centre, sum, product);
            long second = apart + j;
            add(Memory.get(x, xStart + second), Memory.get(dy, dyStart + second), j, centre, sum, product);
        }
    }

    private static void strips(
            Object x,
            long xStart,
            Object dy,
            long dyStart,
            int rows,
            long width,
            int from,
            int to,
            float[] centre,
            float[] sum,
            float[] product) {
        int j = from;
        for (; j + 4 * LANES <= to; j += 4 * LANES) {
            fourStrips(x, xStart, dy, dyStart, rows, width, j, centre, sum, product);
        }
        for (; j + LANES <= to; j += LANES) {
            strip(x, xStart, dy, dyStart, rows, width, j, centre, sum, product);
        }
        for (; j < to; j++) {
            for (long at = j; at < j + rows * width; at += width) {
                add(Memory.get(x, xStart + at), Memory.get(dy, dyStart + at), j, centre, sum, product);
            }
        }
    }

    private static void fourStrips(
            Object x,
            long xStart,
            Object dy,
            long dyStart,
            int rows,
            long width,
            int j,
            float[] centre,
            float[] sum,
            float[] product) {
        int k = j + LANES;
        int l = k + LANES;
        int m = l + LANES;
        FloatVector centre0 = FloatVector.fromArray(FLOATS, centre, j);
        FloatVector centre1 = FloatVector.fromArray(FLOATS, centre, k);
        FloatVector centre2 = FloatVector.fromArray(FLOATS, centre, l);
        FloatVector centre3 = FloatVector.fromArray(FLOATS, centre, m);
        FloatVector sum0 = FloatVector.zero(FLOATS);
        FloatVector sum1 = sum0;
        FloatVector sum2 = sum0;
        FloatVector sum3 = sum0;
        FloatVector product0 = sum0;
        FloatVector product1 = sum0;
        FloatVector product2 = sum0;
        FloatVector product3 = sum0;
        long row = 0;
        for (int r = 0; r < rows; r++) {
            FloatVector g0 = load(dy, dyStart + row, j);
            FloatVector g1 = load(dy, dyStart + row, k);
            FloatVector g2 = load(dy, dyStart + row, l);
            FloatVector g3 = load(dy, dyStart + row, m);
            sum0 = g0.lanewise(ADD, sum0);
            sum1 = g1.lanewise(ADD, sum1);
            sum2 = g2.lanewise(ADD, sum2);
            sum3 = g3.lanewise(ADD, sum3);
            product0 = load(x, xStart + row, j).lanewise(SUB, centre0).lanewise(FMA, g0, product0);
            product1 = load(x, xStart + row, k).lanewise(SUB, centre1).lanewise(FMA, g1, product1);
            product2 = load(x, xStart + row, l).lanewise(SUB, centre2).lanewise(FMA, g2, product2);
            product3 = load(x, xStart + row, m).lanewise(SUB, centre3).lanewise(FMA, g3, product3);
            row += width;
        }
        FloatVector.fromArray(FLOATS, sum, j).lanewise(ADD, sum0).intoArray(sum, j);
        FloatVector.fromArray(FLOATS, sum, k).lanewise(ADD, sum1).intoArray(sum, k);
        FloatVector.fromArray(FLOATS, sum, l).lanewise(ADD, sum2).intoArray(sum, l);
        FloatVector.fromArray(FLOATS, sum, m).lanewise(ADD, sum3).intoArray(sum, m);
        FloatVector.fromArray(FLOATS, product, j).lanewise(ADD, product0).intoArray(product, j);
        FloatVector.fromArray(FLOATS, product, k).lanewise(ADD, product1).intoArray(product, k);
        FloatVector.fromArray(FLOATS, product, l).lanewise(ADD, product2).intoArray(product, l);
        FloatVector.fromArray(FLOATS, product, m).lanewise(ADD, product3).intoArray(product, m);
    }

    private static void strip(
            Object x,
            long xStart,
            Object dy,
            long dyStart,
            int rows,
            long width,
            int j,
            float[] centre,
            float[] sum,
            float[] product) {
        FloatVector m = FloatVector.fromArray(FLOATS, centre, j);
        FloatVector added = FloatVector.zero(FLOATS);
        FloatVector products = added;
        long row = 0;
        for (int r = 0; r < rows; r++) {
            FloatVector g = load(dy, dyStart + row, j);
            added = g.lanewise(ADD, added);
            products = load(x, xStart + row, j).lanewise(SUB, m).lanewise(FMA, g, products);
            row += width;
        }
        FloatVector.fromArray(FLOATS, sum, j).lanewise(ADD, added).intoArray(sum, j);
        FloatVector.fromArray(FLOATS, product, j).lanewise(ADD, products).intoArray(product, j);
    }

    private static void add(float value, float gradient, int j, float[] centre, float[] sum, float[] product) {
        sum[j] += gradient;
        product[j] = Math.fma(value - centre[j], gradient, product[j]);
    }

    @Override
    public void runs(
            Object x,
            long xStart,
            Object dy,
            long dyStart,
            int images,
            long imageApart,
            int from,
            int to,
            long channelApart,
            int length,
            float[] centre,
            double[] sum,
            double[] product) {
        if (ON_ARRAYS && x.getClass() != float[].class) {
            ON_SEGMENTS.runs(
                    x, xStart, dy, dyStart, images, imageApart, from, to, channelApart, length, centre, sum, product);
            return;
        }
        float[] lanes = Tile.current().a;
        for (int c = from; c < to; c++) {
            long run = (c - from) * channelApart;
            int i = 0;
            for (; i + 1 < images; i += 2) {
                long image = run + i * imageApart;
                twoRuns(x, xStart + image, dy, dyStart + image, imageApart, length, centre[c], sum, product, c, lanes);
            }
            if (i < images) {
                long image = run + i * imageApart;
                int half = length / 2;
                twoRuns(x, xStart + image, dy, dyStart + image, half, half, centre[c], sum, product, c, lanes);
                for (int j = 2 * half; j < length; j++) {
                    double gradient = Memory.get(dy, dyStart + image + j);
                    sum[c] += gradient;
                    product[c] += gradient * (Memory.get(x, xStart + image + j) - centre[c]);
                }
            }
        }
    }

    private static void twoRuns(
            Object x,
            long xStart,
            Object dy,
            long dyStart,
            long apart,
            int length,
            float centre,
            double[] sum,
            double[] product,
            int at,
            float[] lanes) {
        FloatVector m = FloatVector.broadcast(FLOATS, centre);
        FloatVector zero = FloatVector.zero(FLOATS);
        FloatVector sums = zero;
        FloatVector sumsLow = zero;
        FloatVector products = zero;
        FloatVector productsLow = zero;
        int end = FLOATS.loopBound(length);
        for (int j = 0; j < end; j += LANES) {
            FloatVector g0 = load(dy, dyStart, j);
            FloatVector g1 = load(dy, dyStart + apart, j);
            FloatVector d0 = load(x, xStart, j).lanewise(SUB, m);
            FloatVector d1 = load(x, xStart + apart, j).lanewise(SUB, m);
            // The sums carry what their rounding takes: they may be much smaller than the values.
            FloatVector added = g0.lanewise(ADD, g1);
            FloatVector sum1 = added.lanewise(ADD, sums);
            sumsLow = added.lanewise(SUB, sum1.lanewise(SUB, sums)).lanewise(ADD, sumsLow);
            sums = sum1;
            added = d1.lanewise(FMA, g1, d0.lanewise(MUL, g0));
            FloatVector product1 = added.lanewise(ADD, products);
            productsLow = added.lanewise(SUB, product1.lanewise(SUB, products)).lanewise(ADD, productsLow);
            products = product1;
        }
        zero.lanewise(ADD, sums).intoArray(lanes, 0);
        zero.lanewise(ADD, sumsLow).intoArray(lanes, LANES);
        zero.lanewise(ADD, products).intoArray(lanes, 2 * LANES);
        zero.lanewise(ADD, productsLow).intoArray(lanes, 3 * LANES);
        double totalSum = VectorMemory.compensatedTotal(lanes, 0);
        double totalProduct = VectorMemory.compensatedTotal(lanes, 2 * LANES);
        for (int j = end; j < length; j++) {
            for (int i = 0; i < 2; i++) {
                float gradient = Memory.get(dy, dyStart + i * apart + j);
                totalSum += gradient;
                totalProduct += gradient * (Memory.get(x, xStart + i * apart + j) - centre);
            }
        }
        sum[at] += totalSum;
        product[at] += totalProduct;
    }

    private static FloatVector load(Object memory, long start, int j) {
        return VectorMemory.load(ON_ARRAYS, memory, start, j);
    }
}

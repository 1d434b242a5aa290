package org.batchnorm.tornadovm;

import org.batchnorm.data.ElementType;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Moments;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;

/**
 * What layers on several devices merge, as an array that a device reads and writes: {@link Moments} or
 * {@link GradientSums} of C features in double precision. Those of gradients are sums, which may be added up as they
 * are.
 *
 * <table>
 *   <caption>Rows of C values; behind them the count</caption>
 *   <tr><th>of a layer of</th><th>moments</th><th>sums</th></tr>
 *   <tr><td>FLOAT32</td><td>mean, m2</td><td>dgamma, dbeta</td></tr>
 *   <tr><td>FLOAT64</td><td>mean, meanLow, m2, unit</td><td>dgamma, dbeta, dbetaLow, one that is not used</td></tr>
 * </table>
 *
 * The unit is a power of two by which the mean is multiplied, and m2 twice, so that those of very large values are
 * within float64.
 */
public final class Summaries {
    private static final int ROWS_OF_FLOAT32 = 2;
    private static final int ROWS_OF_FLOAT64 = 4;

    private Summaries() {}

    /** One of no values, for a layer of FLOAT32. */
    public static DoubleArray array(int features) {
        return array(features, ElementType.FLOAT32);
    }

    /**
     * One of no values.
     *
     * @param type of the layer
     */
    public static DoubleArray array(int features, ElementType type) {
        DoubleArray array = new DoubleArray(length(features, type));
        array.init(0);
        if (type == ElementType.FLOAT64) {
            for (int i = 0; i < features; i++) {
                array.set(3 * features + i, 1);
            }
        }
        return array;
    }

    /**
     * Reads what {@link Pieces#collectStatistics} wrote.
     *
     * @throws IllegalArgumentException if the array is of another number of features
     */
    public static void read(DoubleArray from, Moments into) {
        int c = into.mean().length;
        if (isFloat64("from", from, c)) {
            for (int i = 0; i < c; i++) {
                double unit = from.get(3 * c + i);
                into.mean()[i] = from.get(i) / unit;
                into.meanLow()[i] = from.get(c + i) / unit;
                into.m2()[i] = from.get(2 * c + i) / unit / unit;
            }
        } else {
            read(from, 0, into.mean());
            read(from, 1, into.m2());
        }
        into.count(count(from));
    }

    /**
     * Reads what {@link Pieces#reduceGradients} wrote.
     *
     * @throws IllegalArgumentException if the array is of another number of features
     */
    public static void read(DoubleArray from, GradientSums into) {
        boolean inFloat64 = isFloat64("from", from, into.dgamma().length);
        read(from, 0, into.dgamma());
        read(from, 1, into.dbeta());
        if (inFloat64) {
            read(from, 2, into.dbetaLow());
        }
        into.count(count(from));
    }

    /**
     * Writes what {@link Pieces#mergeStatistics} is to read.
     *
     * @throws IllegalArgumentException if the array is of another number of features
     */
    public static void write(Moments from, DoubleArray into) {
        int c = from.mean().length;
        boolean inFloat64 = isFloat64("into", into, c);
        write(from.mean(), into, 0);
        if (inFloat64) {
            write(from.meanLow(), into, 1);
            write(from.m2(), into, 2);
            for (int i = 0; i < c; i++) {
                into.set(3 * c + i, 1);
            }
        } else {
            write(from.m2(), into, 1);
        }
        into.set(into.getSize() - 1, (double) from.count());
    }

    /**
     * Writes what {@link Pieces#mergeGradients} is to read.
     *
     * @throws IllegalArgumentException if the array is of another number of features
     */
    public static void write(GradientSums from, DoubleArray into) {
        boolean inFloat64 = isFloat64("into", into, from.dgamma().length);
        write(from.dgamma(), into, 0);
        write(from.dbeta(), into, 1);
        if (inFloat64) {
            write(from.dbetaLow(), into, 2);
        }
        into.set(into.getSize() - 1, (double) from.count());
    }

    static void requireSize(String name, DoubleArray array, int features, ElementType type) {
        int length = length(features, type);
        if (array.getSize() != length) {
            String call = type == ElementType.FLOAT64 ? "Summaries.array(features, FLOAT64)" : "Summaries.array";
            throw new IllegalArgumentException(name + ": an array of " + array.getSize() + " values given, " + features
                    + " features need " + length + "; make it with " + call);
        }
    }

    private static int length(int features, ElementType type) {
        int rows = type == ElementType.FLOAT64 ? ROWS_OF_FLOAT64 : ROWS_OF_FLOAT32;
        return Math.addExact(Math.multiplyExact(rows, features), 1);
    }

    /** Whether an array is of a layer of FLOAT64, which its length tells; refuses one of other features. */
    private static boolean isFloat64(String name, DoubleArray array, int features) {
        if (array.getSize() == length(features, ElementType.FLOAT64)) {
            return true;
        }
        requireSize(name, array, features, ElementType.FLOAT32);
        return false;
    }

    private static long count(DoubleArray array) {
        return (long) array.get(array.getSize() - 1);
    }

    private static void read(DoubleArray from, int row, double[] values) {
        for (int i = 0; i < values.length; i++) {
            values[i] = from.get(row * values.length + i);
        }
    }

    private static void write(double[] values, DoubleArray into, int row) {
        for (int i = 0; i < values.length; i++) {
            into.set(row * values.length + i, values[i]);
        }
    }
}

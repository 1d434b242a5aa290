package org.batchnorm.tornadovm;

import org.batchnorm.data.ElementType;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Moments;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;

/**
 * What layers on several devices merge, as an array that a device reads and writes: {@link Moments} or
 * {@link GradientSums} of C features in double precision. {@link Moments#add} and {@link GradientSums#add} merge them
 * on the host. Sums of FLOAT64 that were added up value by value would lose what rounding takes from dbeta.
 *
 * <table>
 *   <caption>Rows of C values; behind them the count, and of a layer of FLOAT64 a value that is not used</caption>
 *   <tr><th>of a layer of</th><th>moments</th><th>sums</th><th>values</th></tr>
 *   <tr><td>FLOAT32</td><td>mean, m2</td><td>dgamma, dbeta</td><td>2 · C + 1</td></tr>
 *   <tr><td>FLOAT64</td><td>mean, meanLow, m2, unit</td><td>dgamma, dbeta, dbetaLow, one that is not used</td>
 *     <td>4 · C + 2</td></tr>
 * </table>
 *
 * A length is odd or even by the type, so that no array is right for two types or two numbers of features.
 *
 * <p>The unit is a power of two by which the mean is multiplied, and m2 twice, so that those of very large values are
 * within float64.
 */
public final class Summaries {
    private Summaries() {}

    /** One of no values, for a layer of FLOAT32. */
    public static DoubleArray array(int features) {
        return array(features, ElementType.FLOAT32);
    }

    /**
     * One of no values.
     *
     * @param type of the layer, FLOAT32 or FLOAT64
     * @throws IllegalArgumentException if it is another one, which no layer is of
     */
    public static DoubleArray array(int features, ElementType type) {
        if (type.is16Bit()) {
            throw new IllegalArgumentException("type: " + type + " given, must be FLOAT32 or FLOAT64, which a layer"
                    + " may be of; batches of 16-bit types have layers of FLOAT32");
        }
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
        boolean inFloat64 = isFloat64("from", from, c);
        if (inFloat64) {
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
        into.count((long) from.get(count(c, inFloat64)));
    }

    /**
     * Reads what {@link Pieces#reduceGradients} wrote.
     *
     * @throws IllegalArgumentException if the array is of another number of features
     */
    public static void read(DoubleArray from, GradientSums into) {
        int c = into.dgamma().length;
        boolean inFloat64 = isFloat64("from", from, c);
        read(from, 0, into.dgamma());
        read(from, 1, into.dbeta());
        if (inFloat64) {
            read(from, 2, into.dbetaLow());
        }
        into.count((long) from.get(count(c, inFloat64)));
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
        into.set(count(c, inFloat64), (double) from.count());
    }

    /**
     * Writes what {@link Pieces#mergeGradients} is to read.
     *
     * @throws IllegalArgumentException if the array is of another number of features
     */
    public static void write(GradientSums from, DoubleArray into) {
        int c = from.dgamma().length;
        boolean inFloat64 = isFloat64("into", into, c);
        write(from.dgamma(), into, 0);
        write(from.dbeta(), into, 1);
        if (inFloat64) {
            write(from.dbetaLow(), into, 2);
        }
        into.set(count(c, inFloat64), (double) from.count());
    }

    static void requireSize(String name, DoubleArray array, int features, ElementType type) {
        int length = length(features, type);
        if (array.getSize() != length) {
            throw new IllegalArgumentException(name + ": an array of " + array.getSize() + " values given, " + features
                    + " features of " + type + " need " + length + "; make it with " + call(type));
        }
    }

    private static String call(ElementType type) {
        return type == ElementType.FLOAT64 ? "Summaries.array(features, FLOAT64)" : "Summaries.array(features)";
    }

    private static int length(int features, ElementType type) {
        return type == ElementType.FLOAT64
                ? Math.addExact(Math.multiplyExact(4, features), 2)
                : Math.addExact(Math.multiplyExact(2, features), 1);
    }

    /** Whether an array is of a layer of FLOAT64, which its length tells; refuses one of other features. */
    private static boolean isFloat64(String name, DoubleArray array, int features) {
        int size = array.getSize();
        int ofFloat32 = length(features, ElementType.FLOAT32);
        int ofFloat64 = length(features, ElementType.FLOAT64);
        if (size != ofFloat32 && size != ofFloat64) {
            throw new IllegalArgumentException(name + ": an array of " + size + " values given, " + features
                    + " features need " + ofFloat32 + " (FLOAT32, " + call(ElementType.FLOAT32) + ") or " + ofFloat64
                    + " (FLOAT64, " + call(ElementType.FLOAT64) + ")");
        }
        return size == ofFloat64;
    }

    /** Where the count is. */
    private static int count(int features, boolean inFloat64) {
        return (inFloat64 ? 4 : 2) * features;
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

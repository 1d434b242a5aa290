package org.batchnorm.tornadovm;

import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Moments;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;

/**
 * What layers on several devices merge, as an array that a device reads and writes: {@link Moments} or
 * {@link GradientSums} of C features as 2 · C + 1 values in double precision, {@code mean} and {@code m2}, or
 * {@code dgamma} and {@code dbeta}, and the count. Those of gradients are sums, which may be added up as they are.
 */
public final class Summaries {
    private Summaries() {}

    /** One of no values. */
    public static DoubleArray array(int features) {
        DoubleArray array = new DoubleArray(2 * features + 1);
        array.init(0);
        return array;
    }

    /**
     * Reads what {@link Pieces#collectStatistics} wrote.
     *
     * @throws IllegalArgumentException if the array is of another number of features
     */
    public static void read(DoubleArray from, Moments into) {
        read(from, into.mean(), into.m2());
        into.count(count(from));
    }

    /**
     * Reads what {@link Pieces#reduceGradients} wrote.
     *
     * @throws IllegalArgumentException if the array is of another number of features
     */
    public static void read(DoubleArray from, GradientSums into) {
        read(from, into.dgamma(), into.dbeta());
        into.count(count(from));
    }

    /**
     * Writes what {@link Pieces#mergeStatistics} is to read.
     *
     * @throws IllegalArgumentException if the array is of another number of features
     */
    public static void write(Moments from, DoubleArray into) {
        write(from.mean(), from.m2(), from.count(), into);
    }

    /**
     * Writes what {@link Pieces#mergeGradients} is to read.
     *
     * @throws IllegalArgumentException if the array is of another number of features
     */
    public static void write(GradientSums from, DoubleArray into) {
        write(from.dgamma(), from.dbeta(), from.count(), into);
    }

    static void requireSize(String name, DoubleArray array, int features) {
        if (array.getSize() != 2 * features + 1) {
            throw new IllegalArgumentException(name + ": an array of " + array.getSize() + " values given, " + features
                    + " features need " + (2 * features + 1) + "; make it with Summaries.array");
        }
    }

    private static long count(DoubleArray array) {
        return (long) array.get(array.getSize() - 1);
    }

    private static void read(DoubleArray from, double[] first, double[] second) {
        int c = first.length;
        requireSize("from", from, c);
        for (int i = 0; i < c; i++) {
            first[i] = from.get(i);
            second[i] = from.get(c + i);
        }
    }

    private static void write(double[] first, double[] second, long count, DoubleArray into) {
        int c = first.length;
        requireSize("into", into, c);
        for (int i = 0; i < c; i++) {
            into.set(i, first[i]);
            into.set(c + i, second[i]);
        }
        into.set(2 * c, (double) count);
    }
}

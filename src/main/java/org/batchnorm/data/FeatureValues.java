package org.batchnorm.data;

import java.util.Arrays;

/**
 * One value for each feature, as parameters, gradients of parameters and statistics are: in a {@code float[]}, or in
 * the {@code double[]} of a layer of {@link ElementType#FLOAT64}. A view of the array, which may be anybody's.
 */
public final class FeatureValues {
    private static final float[] NO_FLOATS = {};
    private static final double[] NO_DOUBLES = {};

    private final ElementType type;
    private final float[] floats;
    private final double[] doubles;

    private FeatureValues(ElementType type, float[] floats, double[] doubles) {
        this.type = type;
        this.floats = floats;
        this.doubles = doubles;
    }

    /** A view of float32 values. */
    public static FeatureValues of(float[] values) {
        return new FeatureValues(ElementType.FLOAT32, values, NO_DOUBLES);
    }

    /** A view of float64 values. */
    public static FeatureValues of(double[] values) {
        return new FeatureValues(ElementType.FLOAT64, NO_FLOATS, values);
    }

    /**
     * New values, which are 0.
     *
     * @param type FLOAT32 or FLOAT64
     */
    public static FeatureValues zeros(ElementType type, int features) {
        return type == ElementType.FLOAT64 ? of(new double[features]) : of(new float[features]);
    }

    /** FLOAT32 or FLOAT64. */
    public ElementType type() {
        return type;
    }

    /** C. */
    public int features() {
        return isDouble() ? doubles.length : floats.length;
    }

    /** The value of a feature. */
    public double get(int feature) {
        return isDouble() ? doubles[feature] : floats[feature];
    }

    /** Sets the value of a feature, rounded to the type. */
    public void set(int feature, double value) {
        if (isDouble()) {
            doubles[feature] = value;
        } else {
            floats[feature] = (float) value;
        }
    }

    /** Sets all values to those of others, of the same type and number. */
    public void set(FeatureValues others) {
        if (isDouble()) {
            System.arraycopy(others.doubles(), 0, doubles, 0, doubles.length);
        } else {
            System.arraycopy(others.floats(), 0, floats, 0, floats.length);
        }
    }

    /** Sets all values. */
    public void fill(double value) {
        if (isDouble()) {
            Arrays.fill(doubles, value);
        } else {
            Arrays.fill(floats, (float) value);
        }
    }

    /**
     * The live array of float32 values.
     *
     * @throws IllegalStateException if they are float64
     */
    public float[] floats() {
        if (isDouble()) {
            throw new IllegalStateException("the values of a layer of FLOAT64 are in a double[], not in a float[]: "
                    + "take the method for doubles, as doubleWeight() of a layer");
        }
        return floats;
    }

    /**
     * The live array of float64 values.
     *
     * @throws IllegalStateException if they are float32
     */
    public double[] doubles() {
        if (!isDouble()) {
            throw new IllegalStateException("the values of a layer of FLOAT32 are in a float[], not in a double[];"
                    + " elementType(FLOAT64) builds one of FLOAT64");
        }
        return doubles;
    }

    /** Whether both are views of the same array. */
    @SuppressWarnings("ReferenceEquality") // the very arrays
    public boolean isSameArray(FeatureValues other) {
        return type == other.type && (isDouble() ? doubles == other.doubles : floats == other.floats);
    }

    /** Whether this is a view of that very array. */
    @SuppressWarnings("ReferenceEquality")
    public boolean isOf(Object array) {
        return array == (isDouble() ? doubles : floats);
    }

    private boolean isDouble() {
        return type == ElementType.FLOAT64;
    }

    @Override
    public String toString() {
        return isDouble() ? Arrays.toString(doubles) : Arrays.toString(floats);
    }
}

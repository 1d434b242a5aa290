package org.batchnorm.bench.jmh;

import java.util.Arrays;
import java.util.List;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;
import org.batchnorm.bench.workload.Operation;

/** The baselines on arrays; {@link SegmentForms} has the same on native memory. */
final class ArrayForms {
    private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
    private static final int LANES = SPECIES.length();
    private static final float A = 1.25f;
    private static final float B = 0.5f;

    private final float[] x;
    private final float[] z;
    private final float[] y;

    /** On so many elements, all written once. */
    ArrayForms(int length) {
        x = ramp(length);
        z = ramp(length);
        y = ramp(length);
    }

    private static float[] ramp(int length) {
        float[] values = new float[length];
        for (int i = 0; i < length; i++) {
            values[i] = i & 1023;
        }
        return values;
    }

    /** The forms of a baseline. */
    List<Form> of(Operation baseline) {
        return switch (baseline) {
            case COPY ->
                List.of(new Form("System.arraycopy", () -> {
                    System.arraycopy(x, 0, y, 0, x.length);
                    return y[0];
                }));
            case READ ->
                List.of(new Form("loop, 8 sums", this::read), new Form("4 vectors of sums", this::readVectors));
            case READ2 ->
                List.of(new Form("loop, 8 sums", this::read2), new Form("4 vectors of sums", this::read2Vectors));
            case STREAM -> List.of(new Form("loop", this::stream), new Form("vectors", this::streamVectors));
            case STREAM2 -> List.of(new Form("loop", this::stream2), new Form("vectors", this::stream2Vectors));
            default -> throw new IllegalArgumentException("operation: " + baseline + " given, must be a baseline");
        };
    }

    /** What {@code stream} and {@code stream2} wrote. */
    float[] written() {
        return Arrays.copyOf(y, y.length);
    }

    /** Σ x, in eight sums: one would wait for each addition before the next. */
    private float read() {
        float[] x = this.x;
        float s0 = 0;
        float s1 = 0;
        float s2 = 0;
        float s3 = 0;
        float s4 = 0;
        float s5 = 0;
        float s6 = 0;
        float s7 = 0;
        int length = x.length;
        int i = 0;
        for (; i <= length - 8; i += 8) {
            s0 += x[i];
            s1 += x[i + 1];
            s2 += x[i + 2];
            s3 += x[i + 3];
            s4 += x[i + 4];
            s5 += x[i + 5];
            s6 += x[i + 6];
            s7 += x[i + 7];
        }
        float sum = ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7));
        for (; i < length; i++) {
            sum += x[i];
        }
        return sum;
    }

    private float readVectors() {
        float[] x = this.x;
        FloatVector s0 = FloatVector.zero(SPECIES);
        FloatVector s1 = s0;
        FloatVector s2 = s0;
        FloatVector s3 = s0;
        int length = x.length;
        int i = 0;
        for (; i <= length - 4 * LANES; i += 4 * LANES) {
            s0 = s0.add(FloatVector.fromArray(SPECIES, x, i));
            s1 = s1.add(FloatVector.fromArray(SPECIES, x, i + LANES));
            s2 = s2.add(FloatVector.fromArray(SPECIES, x, i + 2 * LANES));
            s3 = s3.add(FloatVector.fromArray(SPECIES, x, i + 3 * LANES));
        }
        float sum = s0.add(s1).add(s2.add(s3)).reduceLanes(VectorOperators.ADD);
        for (; i < length; i++) {
            sum += x[i];
        }
        return sum;
    }

    /** Σ x·z. */
    private float read2() {
        float[] x = this.x;
        float[] z = this.z;
        float s0 = 0;
        float s1 = 0;
        float s2 = 0;
        float s3 = 0;
        float s4 = 0;
        float s5 = 0;
        float s6 = 0;
        float s7 = 0;
        int length = x.length;
        int i = 0;
        for (; i <= length - 8; i += 8) {
            s0 += x[i] * z[i];
            s1 += x[i + 1] * z[i + 1];
            s2 += x[i + 2] * z[i + 2];
            s3 += x[i + 3] * z[i + 3];
            s4 += x[i + 4] * z[i + 4];
            s5 += x[i + 5] * z[i + 5];
            s6 += x[i + 6] * z[i + 6];
            s7 += x[i + 7] * z[i + 7];
        }
        float sum = ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7));
        for (; i < length; i++) {
            sum += x[i] * z[i];
        }
        return sum;
    }

    private float read2Vectors() {
        float[] x = this.x;
        float[] z = this.z;
        FloatVector s0 = FloatVector.zero(SPECIES);
        FloatVector s1 = s0;
        FloatVector s2 = s0;
        FloatVector s3 = s0;
        int length = x.length;
        int i = 0;
        for (; i <= length - 4 * LANES; i += 4 * LANES) {
            s0 = FloatVector.fromArray(SPECIES, x, i).fma(FloatVector.fromArray(SPECIES, z, i), s0);
            s1 = FloatVector.fromArray(SPECIES, x, i + LANES).fma(FloatVector.fromArray(SPECIES, z, i + LANES), s1);
            s2 = FloatVector.fromArray(SPECIES, x, i + 2 * LANES)
                    .fma(FloatVector.fromArray(SPECIES, z, i + 2 * LANES), s2);
            s3 = FloatVector.fromArray(SPECIES, x, i + 3 * LANES)
                    .fma(FloatVector.fromArray(SPECIES, z, i + 3 * LANES), s3);
        }
        float sum = s0.add(s1).add(s2.add(s3)).reduceLanes(VectorOperators.ADD);
        for (; i < length; i++) {
            sum += x[i] * z[i];
        }
        return sum;
    }

    /** y = a·x + b. */
    private float stream() {
        float[] x = this.x;
        float[] y = this.y;
        int length = x.length;
        for (int i = 0; i < length; i++) {
            y[i] = A * x[i] + B;
        }
        return y[0];
    }

    private float streamVectors() {
        float[] x = this.x;
        float[] y = this.y;
        int length = x.length;
        int i = 0;
        for (; i <= length - LANES; i += LANES) {
            FloatVector.fromArray(SPECIES, x, i).mul(A).add(B).intoArray(y, i);
        }
        for (; i < length; i++) {
            y[i] = A * x[i] + B;
        }
        return y[0];
    }

    /** y = a·x + b·z. */
    private float stream2() {
        float[] x = this.x;
        float[] z = this.z;
        float[] y = this.y;
        int length = x.length;
        for (int i = 0; i < length; i++) {
            y[i] = A * x[i] + B * z[i];
        }
        return y[0];
    }

    private float stream2Vectors() {
        float[] x = this.x;
        float[] z = this.z;
        float[] y = this.y;
        int length = x.length;
        int i = 0;
        for (; i <= length - LANES; i += LANES) {
            FloatVector.fromArray(SPECIES, x, i)
                    .mul(A)
                    .add(FloatVector.fromArray(SPECIES, z, i).mul(B))
                    .intoArray(y, i);
        }
        for (; i < length; i++) {
            y[i] = A * x[i] + B * z[i];
        }
        return y[0];
    }
}

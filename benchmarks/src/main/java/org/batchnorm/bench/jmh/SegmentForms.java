package org.batchnorm.bench.jmh;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.util.List;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;
import org.batchnorm.bench.workload.Operation;

/** The baselines on native memory; {@link ArrayForms} has the same on arrays. */
final class SegmentForms {
    private static final VectorSpecies<Float> SPECIES = FloatVector.SPECIES_PREFERRED;
    private static final long LANES = SPECIES.length();
    private static final ValueLayout.OfFloat FLOAT = ValueLayout.JAVA_FLOAT;
    private static final ByteOrder ORDER = ByteOrder.nativeOrder();
    private static final long PAGE = 4096;
    private static final float A = 1.25f;
    private static final float B = 0.5f;

    private final MemorySegment x;
    private final MemorySegment z;
    private final MemorySegment y;

    /** On so many elements, all written once. */
    SegmentForms(int length) {
        x = ramp(length);
        z = ramp(length);
        y = ramp(length);
    }

    private static MemorySegment ramp(int length) {
        MemorySegment values = Arena.ofAuto().allocate((long) length * Float.BYTES, PAGE);
        for (int i = 0; i < length; i++) {
            values.setAtIndex(FLOAT, i, i & 1023);
        }
        return values;
    }

    private static long length(MemorySegment values) {
        return values.byteSize() / Float.BYTES;
    }

    /** The forms of a baseline. */
    List<Form> of(Operation baseline) {
        return switch (baseline) {
            case COPY ->
                List.of(new Form("MemorySegment.copy", () -> {
                    MemorySegment.copy(x, 0, y, 0, x.byteSize());
                    return y.getAtIndex(FLOAT, 0);
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
        return y.toArray(FLOAT);
    }

    /** Σ x, in eight sums: one would wait for each addition before the next. */
    private float read() {
        MemorySegment x = this.x;
        float s0 = 0;
        float s1 = 0;
        float s2 = 0;
        float s3 = 0;
        float s4 = 0;
        float s5 = 0;
        float s6 = 0;
        float s7 = 0;
        long length = length(x);
        long i = 0;
        for (; i <= length - 8; i += 8) {
            s0 += x.getAtIndex(FLOAT, i);
            s1 += x.getAtIndex(FLOAT, i + 1);
            s2 += x.getAtIndex(FLOAT, i + 2);
            s3 += x.getAtIndex(FLOAT, i + 3);
            s4 += x.getAtIndex(FLOAT, i + 4);
            s5 += x.getAtIndex(FLOAT, i + 5);
            s6 += x.getAtIndex(FLOAT, i + 6);
            s7 += x.getAtIndex(FLOAT, i + 7);
        }
        float sum = ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7));
        for (; i < length; i++) {
            sum += x.getAtIndex(FLOAT, i);
        }
        return sum;
    }

    private float readVectors() {
        MemorySegment x = this.x;
        FloatVector s0 = FloatVector.zero(SPECIES);
        FloatVector s1 = s0;
        FloatVector s2 = s0;
        FloatVector s3 = s0;
        long length = length(x);
        long i = 0;
        for (; i <= length - 4 * LANES; i += 4 * LANES) {
            s0 = s0.add(FloatVector.fromMemorySegment(SPECIES, x, i * Float.BYTES, ORDER));
            s1 = s1.add(FloatVector.fromMemorySegment(SPECIES, x, (i + LANES) * Float.BYTES, ORDER));
            s2 = s2.add(FloatVector.fromMemorySegment(SPECIES, x, (i + 2 * LANES) * Float.BYTES, ORDER));
            s3 = s3.add(FloatVector.fromMemorySegment(SPECIES, x, (i + 3 * LANES) * Float.BYTES, ORDER));
        }
        float sum = s0.add(s1).add(s2.add(s3)).reduceLanes(VectorOperators.ADD);
        for (; i < length; i++) {
            sum += x.getAtIndex(FLOAT, i);
        }
        return sum;
    }

    /** Σ x·z. */
    private float read2() {
        MemorySegment x = this.x;
        MemorySegment z = this.z;
        float s0 = 0;
        float s1 = 0;
        float s2 = 0;
        float s3 = 0;
        float s4 = 0;
        float s5 = 0;
        float s6 = 0;
        float s7 = 0;
        long length = length(x);
        long i = 0;
        for (; i <= length - 8; i += 8) {
            s0 += x.getAtIndex(FLOAT, i) * z.getAtIndex(FLOAT, i);
            s1 += x.getAtIndex(FLOAT, i + 1) * z.getAtIndex(FLOAT, i + 1);
            s2 += x.getAtIndex(FLOAT, i + 2) * z.getAtIndex(FLOAT, i + 2);
            s3 += x.getAtIndex(FLOAT, i + 3) * z.getAtIndex(FLOAT, i + 3);
            s4 += x.getAtIndex(FLOAT, i + 4) * z.getAtIndex(FLOAT, i + 4);
            s5 += x.getAtIndex(FLOAT, i + 5) * z.getAtIndex(FLOAT, i + 5);
            s6 += x.getAtIndex(FLOAT, i + 6) * z.getAtIndex(FLOAT, i + 6);
            s7 += x.getAtIndex(FLOAT, i + 7) * z.getAtIndex(FLOAT, i + 7);
        }
        float sum = ((s0 + s1) + (s2 + s3)) + ((s4 + s5) + (s6 + s7));
        for (; i < length; i++) {
            sum += x.getAtIndex(FLOAT, i) * z.getAtIndex(FLOAT, i);
        }
        return sum;
    }

    private float read2Vectors() {
        MemorySegment x = this.x;
        MemorySegment z = this.z;
        FloatVector s0 = FloatVector.zero(SPECIES);
        FloatVector s1 = s0;
        FloatVector s2 = s0;
        FloatVector s3 = s0;
        long length = length(x);
        long i = 0;
        for (; i <= length - 4 * LANES; i += 4 * LANES) {
            s0 = FloatVector.fromMemorySegment(SPECIES, x, i * Float.BYTES, ORDER)
                    .fma(FloatVector.fromMemorySegment(SPECIES, z, i * Float.BYTES, ORDER), s0);
            s1 = FloatVector.fromMemorySegment(SPECIES, x, (i + LANES) * Float.BYTES, ORDER)
                    .fma(FloatVector.fromMemorySegment(SPECIES, z, (i + LANES) * Float.BYTES, ORDER), s1);
            s2 = FloatVector.fromMemorySegment(SPECIES, x, (i + 2 * LANES) * Float.BYTES, ORDER)
                    .fma(FloatVector.fromMemorySegment(SPECIES, z, (i + 2 * LANES) * Float.BYTES, ORDER), s2);
            s3 = FloatVector.fromMemorySegment(SPECIES, x, (i + 3 * LANES) * Float.BYTES, ORDER)
                    .fma(FloatVector.fromMemorySegment(SPECIES, z, (i + 3 * LANES) * Float.BYTES, ORDER), s3);
        }
        float sum = s0.add(s1).add(s2.add(s3)).reduceLanes(VectorOperators.ADD);
        for (; i < length; i++) {
            sum += x.getAtIndex(FLOAT, i) * z.getAtIndex(FLOAT, i);
        }
        return sum;
    }

    /** y = a·x + b. */
    private float stream() {
        MemorySegment x = this.x;
        MemorySegment y = this.y;
        long length = length(x);
        for (long i = 0; i < length; i++) {
            y.setAtIndex(FLOAT, i, A * x.getAtIndex(FLOAT, i) + B);
        }
        return y.getAtIndex(FLOAT, 0);
    }

    private float streamVectors() {
        MemorySegment x = this.x;
        MemorySegment y = this.y;
        long length = length(x);
        long i = 0;
        for (; i <= length - LANES; i += LANES) {
            FloatVector.fromMemorySegment(SPECIES, x, i * Float.BYTES, ORDER)
                    .mul(A)
                    .add(B)
                    .intoMemorySegment(y, i * Float.BYTES, ORDER);
        }
        for (; i < length; i++) {
            y.setAtIndex(FLOAT, i, A * x.getAtIndex(FLOAT, i) + B);
        }
        return y.getAtIndex(FLOAT, 0);
    }

    /** y = a·x + b·z. */
    private float stream2() {
        MemorySegment x = this.x;
        MemorySegment z = this.z;
        MemorySegment y = this.y;
        long length = length(x);
        for (long i = 0; i < length; i++) {
            y.setAtIndex(FLOAT, i, A * x.getAtIndex(FLOAT, i) + B * z.getAtIndex(FLOAT, i));
        }
        return y.getAtIndex(FLOAT, 0);
    }

    private float stream2Vectors() {
        MemorySegment x = this.x;
        MemorySegment z = this.z;
        MemorySegment y = this.y;
        long length = length(x);
        long i = 0;
        for (; i <= length - LANES; i += LANES) {
            FloatVector.fromMemorySegment(SPECIES, x, i * Float.BYTES, ORDER)
                    .mul(A)
                    .add(FloatVector.fromMemorySegment(SPECIES, z, i * Float.BYTES, ORDER)
                            .mul(B))
                    .intoMemorySegment(y, i * Float.BYTES, ORDER);
        }
        for (; i < length; i++) {
            y.setAtIndex(FLOAT, i, A * x.getAtIndex(FLOAT, i) + B * z.getAtIndex(FLOAT, i));
        }
        return y.getAtIndex(FLOAT, 0);
    }
}

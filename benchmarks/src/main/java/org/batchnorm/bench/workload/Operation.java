package org.batchnorm.bench.workload;

import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.annotation.JsonValue;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/**
 * What a measurement measures: an operation of batch normalization, or a baseline that moves bytes and does little
 * else.
 */
public enum Operation {
    /** The training forward: reads x twice (statistics, normalization), writes y. */
    FORWARD("forward", 3, false),
    /** The normalization with running statistics: reads x, writes y. */
    INFERENCE("inference", 2, false),
    /** The backward through the batch's statistics: reads x and dy twice (reductions, gradient), writes dx. */
    BACKWARD("backward", 5, false),
    /** One training step of the layer: forward and backward. */
    STEP("step", 8, false),
    /** Baseline: {@code System.arraycopy}; reads x, writes y. */
    COPY("copy", 2, true),
    /** Baseline: {@code y = a · x + b} in plain Java; reads x, writes y. */
    STREAM("stream", 2, true),
    /** Baseline: {@code Σ x} in plain Java; reads x. */
    READ("read", 1, true),
    /** Baseline: {@code Σ x · z} in plain Java; reads x and z. */
    READ2("read2", 2, true),
    /** Baseline: {@code y = a · x + b · z} in plain Java; reads x and z, writes y. */
    STREAM2("stream2", 3, true);

    private final String label;
    private final int tensors;
    private final boolean baseline;

    Operation(String label, int tensors, boolean baseline) {
        this.label = label;
        this.tensors = tensors;
        this.baseline = baseline;
    }

    /** The name in files and on the command line. */
    @JsonValue
    public String label() {
        return label;
    }

    /** Whether this is a baseline and no operation of batch normalization. */
    public boolean baseline() {
        return baseline;
    }

    /**
     * The baselines that are the least it can do, one after the other: a reduction, then a map. Empty for a baseline
     * itself. With a residual the map of the forward has two inputs; the first pass of the backward reads three tensors
     * and writes the residual's gradient.
     */
    public List<Operation> floor(Fusion fusion) {
        boolean residual = fusion.residual();
        return switch (this) {
            case INFERENCE -> List.of(residual ? STREAM2 : STREAM);
            case FORWARD -> List.of(READ, residual ? STREAM2 : STREAM);
            case BACKWARD -> residual ? List.of(READ, STREAM2, STREAM2) : List.of(READ2, STREAM2);
            case STEP -> List.of(READ, STREAM, READ2, STREAM2);
            case COPY, STREAM, READ, READ2, STREAM2 -> List.of();
        };
    }

    /**
     * How many times the operation passes over a tensor of the shape: the logical traffic, whatever caches save of it.
     * A residual adds some, activations none.
     */
    private int tensors(Fusion fusion) {
        return tensors + (fusion.residual() && !baseline ? residualTensors() : 0);
    }

    /** Forward reads the residual. Backward reads y and writes the residual's gradient, which it then takes for dy. */
    private int residualTensors() {
        return switch (this) {
            case INFERENCE, FORWARD -> 1;
            case BACKWARD -> 2;
            case STEP -> 3;
            case COPY, STREAM, READ, READ2, STREAM2 -> 0;
        };
    }

    /** The bytes that the operation logically moves, of tensors of the shape and the type. */
    public long logicalBytes(BenchShape shape, Kind kind) {
        return tensors(kind.fusion())
                * shape.batchShape().elements()
                * kind.type().bytes();
    }

    /** Batch normalization's three operations, which everybody has. */
    public static List<Operation> ofBatchNorm() {
        return List.of(FORWARD, INFERENCE, BACKWARD);
    }

    /**
     * The operation of that name.
     *
     * @throws IllegalArgumentException if there is none
     */
    @JsonCreator
    public static Operation of(String label) {
        return Arrays.stream(values())
                .filter(operation -> operation.label.equals(label))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("operation: \"" + label + "\" given, must be one of "
                        + Arrays.stream(values()).map(Operation::label).collect(Collectors.joining(", "))));
    }

    @Override
    public String toString() {
        return label;
    }
}

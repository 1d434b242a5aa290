package org.batchnorm;

import java.lang.foreign.MemorySegment;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.data.FeatureValues;
import org.batchnorm.spi.Activations;
import org.batchnorm.spi.Backends;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.ElementTypeRefusedException;
import org.jspecify.annotations.Nullable;

/**
 * Checks of the data that users hand to a layer or a function. Each failure names the argument, what was given and what
 * would be right.
 *
 * @param owner whose data they are: {@code layer} or {@code function}
 * @param features its C
 * @param type that of its parameters and statistics, FLOAT32 or FLOAT64
 */
record Arguments(String owner, int features, ElementType type) {

    /** Checks what a forward operation reads and writes. */
    void requireForward(Batch x, Batch y) {
        requireInput(x);
        requireWritable("y", y);
        requireShapeOf("y", y, x);
        requireSameOrDisjoint("x", x, "y", y);
    }

    /** Checks what a backward operation reads and writes. */
    void requireBackward(Batch x, Batch dy, Batch dx) {
        requireGradient(x, dy);
        requireWritable("dx", dx);
        requireShapeOf("dx", dx, x);
        requireSameOrDisjoint("x", x, "dx", dx);
        requireSameOrDisjoint("dy", dy, "dx", dx);
    }

    /** The same where a residual is added: it may be the memory of x or y. */
    void requireForward(Batch x, Batch residual, Batch y) {
        requireForward(x, y);
        requireReadable("residual", residual);
        requireShapeOf("residual", residual, x);
        requireSameOrDisjoint("residual", residual, "y", y);
    }

    /**
     * The same where a residual was added. x and dresidual are both read when dx is made, so that dresidual has none of
     * the memory of x or dx.
     */
    void requireBackward(Batch x, Batch y, Batch dy, Batch dx, Batch dresidual) {
        requireBackward(x, dy, dx);
        requireResidualGradient(x, y, dy, dresidual);
        requireSameOrDisjoint("y", y, "dx", dx);
        requireDisjoint("dx", dx, "dresidual", dresidual);
    }

    /** Checks what the gradients of γ and β are reduced of. */
    void requireGradient(Batch x, Batch dy) {
        requireInput(x);
        requireReadable("dy", dy);
        requireShapeOf("dy", dy, x);
    }

    /** The same where a residual was added. */
    void requireGradient(Batch x, Batch y, Batch dy, Batch dresidual) {
        requireGradient(x, dy);
        requireResidualGradient(x, y, dy, dresidual);
    }

    private void requireResidualGradient(Batch x, Batch y, Batch dy, Batch dresidual) {
        requireReadable("y", y);
        requireShapeOf("y", y, x);
        requireWritable("dresidual", dresidual);
        requireShapeOf("dresidual", dresidual, x);
        requireSameOrDisjoint("y", y, "dresidual", dresidual);
        requireSameOrDisjoint("dy", dy, "dresidual", dresidual);
        requireDisjoint("x", x, "dresidual", dresidual);
    }

    /** Checks the input x alone. */
    void requireInput(Batch x) {
        requireReadable("x", x);
        BatchShape shape = x.shape();
        if (shape.c() != features) {
            throw new IllegalArgumentException("shape: " + shape + " has " + shape.c()
                    + " features (channels), must have the " + owner + "'s " + features);
        }
    }

    void requireFeatures(SavedStatistics saved) {
        requireGiven("saved", saved, "a SavedStatistics");
        if (saved.features() != features) {
            throw new IllegalArgumentException("saved: saved statistics of " + saved.features()
                    + " features given, must have the " + owner + "'s " + features);
        }
    }

    /** Checks for how many features something is. */
    void requireFeatures(String name, int given) {
        if (given != features) {
            throw new IllegalArgumentException(
                    name + ": of " + given + " features given, must have the " + owner + "'s " + features);
        }
    }

    /** Refuses null; {@code right} says what the argument must be. */
    static void requireGiven(String name, @Nullable Object value, String right) {
        if (value == null) {
            throw new IllegalArgumentException(name + ": null given, must be " + right);
        }
    }

    /** Checks an array of one value for each feature; null is none. */
    void requireFeatures(String name, @Nullable FeatureValues values) {
        if (values == null) {
            return;
        }
        String element = values.type() == ElementType.FLOAT64 ? "double" : "float";
        if (values.features() != features) {
            throw new IllegalArgumentException(name + ": " + element + "[" + values.features()
                    + "] given, must have one value for each of the " + owner + "'s " + features + " features");
        }
        if (values.type() != type) {
            throw new IllegalArgumentException(name + ": a " + element + "[] given, must be a "
                    + (type == ElementType.FLOAT64 ? "double" : "float") + "[], as the " + owner + " is of " + type);
        }
    }

    /** Checks all arrays of parameters. */
    void require(Parameters parameters) {
        requireGiven("parameters", parameters, "Parameters, Parameters.NONE where there are none");
        requireFeatures("gamma", parameters.gamma);
        requireFeatures("beta", parameters.beta);
        requireFeatures("dgamma", parameters.dgamma);
        requireFeatures("dbeta", parameters.dbeta);
    }

    /** Checks parameters and given statistics. */
    void require(Parameters parameters, FeatureValues mean, FeatureValues variance) {
        require(parameters);
        requireFeatures("mean", mean);
        requireFeatures("variance", variance);
    }

    /** Refuses FLOAT64 where a backend does not take it. */
    void requireTypeTaken(Backends.OpenBackend backend) {
        if (type == ElementType.FLOAT64 && !backend.operations().takesFloat64()) {
            backend.operations().close();
            throw new ElementTypeRefusedException("elementType: FLOAT64 given, but the backend " + backend.name()
                    + " does not take it; choose the backend auto, vector or scalar, or FLOAT32");
        }
    }

    /** Refuses activations that a backend does not do. */
    static void requireDone(Activations activations, Backends.OpenBackend backend) {
        BatchNormOperations operations = backend.operations();
        if (!activations.areNone() && !operations.doesActivations()) {
            operations.close();
            throw new IllegalArgumentException((activations.output().isNone() ? "inputActivation" : "activation")
                    + ": given, but the backend " + backend.name() + " does none; do it outside of the layer, or choose"
                    + " the backend auto, vector or scalar");
        }
    }

    /** Refuses batch statistics of one value; a batch without values has none, and changes nothing. */
    static void requireNotOneValuePerFeature(BatchShape shape) {
        if (shape.valuesPerFeature() == 1) {
            throw new IllegalArgumentException(
                    "shape: expected more than 1 value per feature to take batch statistics from, given " + shape
                            + " with 1");
        }
    }

    private static void requireShapeOf(String name, Batch batch, Batch x) {
        if (!batch.shape().equals(x.shape())) {
            throw new IllegalArgumentException(
                    name + ": shape " + batch.shape() + " given, must be that of x, " + x.shape());
        }
    }

    private void requireReadable(String name, Batch batch) {
        requireGiven(name, batch, "a Batch");
        requireType(name, batch.type());
        if (batch.isArray()) {
            return;
        }
        MemorySegment segment = batch.segment();
        if (!segment.scope().isAlive()) {
            throw new IllegalStateException(
                    name + ": its arena is closed; give a segment whose arena is open during the call");
        }
        if (!segment.isAccessibleBy(Thread.currentThread())) {
            throw new IllegalStateException(name + ": its arena is confined to another thread than "
                    + Thread.currentThread().getName()
                    + "; call from the thread that opened the arena, or use Arena.ofShared()");
        }
    }

    private void requireType(String name, ElementType given) {
        boolean inDouble = type == ElementType.FLOAT64;
        if (inDouble != (given == ElementType.FLOAT64)) {
            throw new IllegalArgumentException(name + ": " + given + " given, must be "
                    + (inDouble ? "FLOAT64" : "FLOAT32, FLOAT16 or BFLOAT16") + ", as the " + owner + " is of " + type
                    + "; elementType(" + (inDouble ? "FLOAT32" : "FLOAT64") + ") builds one of the other kind");
        }
    }

    private void requireWritable(String name, Batch batch) {
        requireReadable(name, batch);
        if (!batch.isArray() && batch.segment().isReadOnly()) {
            throw new IllegalArgumentException(name + ": read-only segment given, must be writable");
        }
    }

    /** Refuses a residual that a backend does not add. */
    static void requireResidualDone(BatchNormOperations operations, String backend) {
        if (!operations.doesActivations()) {
            throw new IllegalArgumentException("residual: given, but the backend " + backend + " adds none; add it"
                    + " outside of the layer, or choose the backend auto, vector or scalar");
        }
    }

    private static void requireDisjoint(String in, Batch input, String out, Batch output) {
        long overlap = input.overlap(output);
        if (overlap > 0) {
            throw new IllegalArgumentException(out + ": overlaps " + in + " in " + overlap + " of " + output.bytes()
                    + " bytes; must have none in common with it");
        }
    }

    /** The values of two batches must be the same memory or have none in common. */
    private static void requireSameOrDisjoint(String in, Batch input, String out, Batch output) {
        long overlap = input.overlap(output);
        if (overlap > 0 && !input.isSameMemory(output)) {
            throw new IllegalArgumentException(out + ": overlaps " + in + " in " + overlap + " of "
                    + output.bytes() + " bytes; must be the same memory as " + in
                    + (input.type().bytes() == output.type().bytes() ? "" : ", of a type as wide,")
                    + " or have none in common with it");
        }
    }
}

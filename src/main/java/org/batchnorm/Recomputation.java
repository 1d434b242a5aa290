package org.batchnorm;

import org.batchnorm.data.Batch;
import org.batchnorm.spi.Activations;
import org.batchnorm.spi.Backends;
import org.batchnorm.spi.InputFromOutput;
import org.batchnorm.spi.Tensors;

/**
 * What a backward makes again of the forward, for which it needs γ and β as they were then: copies of them are kept.
 *
 * <p>Of an activation after batch norm it makes the sign of BN(x) again, which must be the forward's, bit by bit. Where
 * a residual was added the sign is that of y, and nothing is kept.
 *
 * <p>In in-place training it makes x̂ of y, so that nobody need keep x ({@link InputFromOutput}). So a forward refuses
 * a γ that is small beside its β, when nothing has been written yet.
 *
 * @param wanted whether x̂ is made of y; else backward needs x
 * @param ofSign whether there is an activation after batch norm
 */
record Recomputation(boolean wanted, boolean ofSign) {
    /** Checks what it is to be combined with; where that is refused the backend is closed. */
    static Recomputation of(boolean wanted, Activations activations, Backends.OpenBackend backend) {
        String problem = wanted ? problem(activations, backend) : "";
        if (!problem.isEmpty()) {
            backend.operations().close();
            throw new IllegalArgumentException("recomputeInputFromOutput: true given, but " + problem);
        }
        return new Recomputation(wanted, !activations.output().isNone());
    }

    private static String problem(Activations activations, Backends.OpenBackend backend) {
        String ofActivations = InputFromOutput.problem(activations);
        if (!ofActivations.isEmpty()) {
            return ofActivations;
        }
        if (backend.operations() instanceof SynchronizedOperations) {
            return "synchronizedBy, too, whose ranks need their x for the gradients; build the layer without one of"
                    + " them";
        }
        if (!backend.operations().doesBackwardFromOutput()) {
            return "the backend " + backend.name() + " needs x for the gradients; choose the backend auto, vector or"
                    + " scalar, or keep x";
        }
        return "";
    }

    /**
     * Begins a forward, before anything is written, and tells it that its backward will have y, if so: one backend is
     * to do both, as they round alike.
     *
     * @param tensors of the forward
     * @param saved where what backward needs will be kept
     * @return the parameters to normalize with: copies, if a backward is to know them
     */
    Parameters begin(Parameters parameters, Tensors tensors, SavedStatistics saved) {
        if (!saved.isForBackward()) {
            return parameters;
        }
        if (!wanted) {
            return ofSign && tensors.residual() == null ? saved.keep(parameters) : parameters;
        }
        if (tensors.residual() != null) {
            throw new IllegalArgumentException("residual: given, but the input cannot be recomputed from an output to"
                    + " which a residual was added; add it outside, or build without recomputeInputFromOutput");
        }
        requireNot16Bit(tensors.y());
        for (int c = 0; c < saved.features(); c++) {
            double gamma = parameters.gamma == null ? 1 : parameters.gamma.get(c);
            double beta = parameters.beta == null ? 0 : parameters.beta.get(c);
            InputFromOutput.requireRecoverable(c, gamma, beta);
        }
        tensors.beforeBackwardFromOutput();
        return saved.keep(parameters);
    }

    /** Checks what is given to a backward in the place of x. */
    void requireOutput(Batch y) {
        if (wanted) {
            requireNot16Bit(y);
        }
    }

    private static void requireNot16Bit(Batch y) {
        if (y.type().is16Bit()) {
            throw new IllegalArgumentException("y: " + y.type() + " given, of which the input is recomputed with too"
                    + " few digits; must be FLOAT32, or build without recomputeInputFromOutput");
        }
    }

    /** Sets the tensors of a backward, the first of which is y or x. */
    void set(Tensors tensors, Batch first, Batch dy, Batch dx) {
        if (wanted) {
            tensors.backwardFromOutput(first, dy, dx);
        } else {
            tensors.backward(first, dy, dx);
        }
    }

    /** The parameters for a backward: those of the forward, if they were kept. */
    Parameters ofBackward(Parameters now, SavedStatistics saved) {
        return wanted || (ofSign && !saved.hasResidual()) ? saved.kept() : now;
    }
}

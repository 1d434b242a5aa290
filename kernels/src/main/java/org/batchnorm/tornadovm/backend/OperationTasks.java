package org.batchnorm.tornadovm.backend;

import org.batchnorm.tornadovm.Pieces;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/**
 * The tasks of one operation of a {@link HostPlan}, and what of the layer travels with them.
 *
 * @param layer its arrays
 * @param arrays the others; those of the batch travel without this
 */
record OperationTasks(HostPlan.Key key, TaskGraph graph, LayerArrays layer, HostArrays arrays) {

    /** Adds them to the graph. */
    void add(Pieces pieces) {
        if (key.operation().hasTwoInputs()) {
            addBackward(pieces);
        } else {
            addForward(pieces);
        }
    }

    /** The operations on x alone, or x and a residual. */
    private void addForward(Pieces pieces) {
        boolean adding = key.fused().hasResidual();
        switch (key.operation()) {
            case COLLECT_STATISTICS -> {
                pieces.collectStatistics(arrays.x(), arrays.summary());
                HostPlan.toHost(graph, arrays.summary());
                return;
            }
            case FORWARD -> {
                if (adding) {
                    pieces.forward(arrays.x(), arrays.residual(), arrays.out());
                } else {
                    pieces.forward(arrays.x(), arrays.out());
                }
                HostPlan.toHost(graph, layer.statistics());
            }
            case TRANSFORM -> {
                if (adding) {
                    pieces.transform(arrays.x(), arrays.residual(), arrays.out());
                } else {
                    pieces.transform(arrays.x(), arrays.out());
                }
                HostPlan.toDevice(graph, layer.statistics());
            }
            case INFERENCE -> {
                if (adding) {
                    pieces.inference(arrays.x(), arrays.residual(), arrays.out());
                } else {
                    pieces.inference(arrays.x(), arrays.out());
                }
                HostPlan.toDevice(graph, layer.running());
            }
            case FROZEN_INPUT_GRADIENT -> {
                pieces.frozenInputGradient(arrays.x(), arrays.out());
                HostPlan.toDevice(graph, layer.statistics());
            }
            default -> throw new IllegalStateException("no operation on x alone: " + key.operation());
        }
        HostPlan.toDevice(graph, layer.parameters());
    }

    /** The operations on x and dy. With a residual its gradient comes first, and stands for dy from then on. */
    private void addBackward(Pieces all) {
        boolean adding = key.fused().hasResidual();
        Pieces pieces = adding ? all.residualGradient(arrays.residual(), arrays.dy(), arrays.dresidual()) : all;
        TornadoNativeArray gradient = adding ? arrays.dresidual() : arrays.dy();
        switch (key.operation()) {
            case REDUCE_GRADIENTS -> {
                pieces.reduceGradients(arrays.x(), gradient, arrays.summary());
                HostPlan.toHost(graph, arrays.summary());
            }
            case REDUCE_PART_GRADIENTS -> {
                HostPlan.toDevice(graph, arrays.moments());
                pieces.reduceGradients(arrays.x(), gradient, arrays.moments(), arrays.summary());
                HostPlan.toHost(graph, arrays.summary());
            }
            case INPUT_GRADIENT -> {
                HostPlan.toDevice(graph, arrays.summary());
                pieces.mergeGradients(arrays.summary());
                pieces.inputGradient(arrays.x(), gradient, arrays.out());
            }
            case FROZEN_INPUT_GRADIENT_OF_X -> pieces.frozenInputGradient(arrays.x(), gradient, arrays.out());
            case BACKWARD -> {
                pieces.backward(arrays.x(), gradient, arrays.out());
                HostPlan.toHost(graph, layer.gradients());
            }
            case FROZEN_BACKWARD -> {
                pieces.frozenBackward(arrays.x(), gradient, arrays.out());
                HostPlan.toHost(graph, layer.gradients());
            }
            default -> throw new IllegalStateException("no operation on x and dy: " + key.operation());
        }
        HostPlan.toDevice(graph, layer.parameters(), layer.statistics());
        if (adding) {
            HostPlan.toHost(graph, arrays.dresidual());
        }
    }
}

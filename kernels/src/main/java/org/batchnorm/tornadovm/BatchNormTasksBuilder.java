package org.batchnorm.tornadovm;

import org.batchnorm.BatchNormConfig;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.Activation;
import org.batchnorm.spi.Activations;
import uk.ac.manchester.tornado.api.common.TornadoDevice;

/** Sets up a {@link BatchNormTasks} with activations. */
public final class BatchNormTasksBuilder {
    private final String prefix;
    private final BatchNormConfig config;
    private final BatchShape maxShape;
    private Activations activations = Activations.NONE;

    BatchNormTasksBuilder(String prefix, BatchNormConfig config, BatchShape maxShape) {
        this.prefix = prefix;
        this.config = config;
        this.maxShape = maxShape;
    }

    /**
     * An activation after batch norm, {@code y = act(BN(x))}, in the same passes over memory. No mask is stored:
     * backward maps x again, to the same bits, and needs the γ and β that forward had.
     *
     * @throws IllegalArgumentException if it is null
     */
    public BatchNormTasksBuilder activation(Activation activation) {
        activations = activations.withOutput(activation);
        return this;
    }

    /**
     * An activation before batch norm, {@code y = BN(act(x))}. The statistics are those of act(x), and dx is the
     * gradient by x.
     *
     * @throws IllegalArgumentException if it is null
     */
    public BatchNormTasksBuilder inputActivation(Activation activation) {
        activations = activations.withInput(activation);
        return this;
    }

    /**
     * The layer for a device: {@link BatchNormTasks#BatchNormTasks(String, BatchNormConfig, BatchShape,
     * TornadoDevice)}.
     */
    public BatchNormTasks build(TornadoDevice device) {
        return build(DeviceLimits.of(device));
    }

    /** The layer: {@link BatchNormTasks#BatchNormTasks(String, BatchNormConfig, BatchShape, DeviceLimits)}. */
    public BatchNormTasks build(DeviceLimits device) {
        return new BatchNormTasks(LayerPlan.of(prefix, config, maxShape, activations, device));
    }
}

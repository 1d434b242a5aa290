package org.batchnorm.tornadovm;

import org.batchnorm.BatchNormConfig;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.Activation;
import org.batchnorm.spi.Activations;
import uk.ac.manchester.tornado.api.common.TornadoDevice;

/** Sets up a {@link BatchNormTasks} with activations, or for in-place training. */
public final class BatchNormTasksBuilder {
    private final String prefix;
    private final BatchNormConfig config;
    private final BatchShape maxShape;
    private Activations activations = Activations.NONE;
    private boolean recomputesInput;

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
     * In-place training (Rota Bulò, Porzi &amp; Kontschieder 2018): every piece of a backward takes y where it took x,
     * {@code backward(y, dy, dx)}, so that x need not be kept, and forward may write y over it. With {@code z =
     * activation⁻¹(y)}, which is y where y &gt; 0, else y by the slope,
     *
     * <pre>{@code
     * x̂ = (z − beta) / gamma,   dz = dy · activation′(z),   dbeta = Σ dz,   dgamma = Σ dz · x̂
     * dx = gamma · rstd · (dz − dbeta / m − x̂ · dgamma / m),   through frozen statistics gamma · rstd · dz
     * }</pre>
     *
     * <p>The price is what rounding took from y: x̂ is off by about {@code 2⁻²⁴ · (|x̂| + |beta / gamma|)}. The
     * backward is in two stages, never on chip.
     *
     * <p><b>What the caller sees to</b>, as parameters live on the device, where no kernel checks them: γ and β are
     * those of the forward until the backward is done, |γ| is at least |β| / 1024 and within 2⁻³² to 2³². A γ of 0
     * gives a dgamma, and through the batch's statistics a dx, that are NaN or infinite, a small one few digits.
     * {@link BatchNormTasks#requireRecoverableInput()} checks what the host has. A backward that is given x all the
     * same cannot be told from one that is given y, and its gradients are wrong.
     *
     * <p>Pieces with a residual are refused, and a y of a 16-bit type; x, dy and dx may be of one.
     *
     * @param recompute default false; with true, {@code build} throws an {@link IllegalArgumentException} where there
     *     is an {@link #inputActivation}, or an {@link #activation} other than LeakyReLU of slope 1e-6 to 1e6
     */
    public BatchNormTasksBuilder recomputeInputFromOutput(boolean recompute) {
        recomputesInput = recompute;
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
        return new BatchNormTasks(LayerPlan.of(prefix, config, maxShape, activations, recomputesInput, device));
    }
}

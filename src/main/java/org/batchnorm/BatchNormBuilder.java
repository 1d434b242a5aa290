package org.batchnorm;

import java.util.OptionalDouble;
import org.batchnorm.data.ElementType;
import org.batchnorm.spi.Activation;
import org.batchnorm.spi.Activations;
import org.batchnorm.spi.BackendOptions;
import org.batchnorm.spi.Backends;
import org.batchnorm.spi.BatchNormOperations;
import org.batchnorm.spi.StatisticsExchange;
import org.jspecify.annotations.Nullable;

/** Builds a {@link BatchNorm} layer; what is not set has PyTorch's default. */
public final class BatchNormBuilder {
    private final int features;
    private double eps = BatchNormConfig.DEFAULT_EPS;
    private OptionalDouble momentum = OptionalDouble.of(BatchNormConfig.DEFAULT_MOMENTUM);
    private boolean affine = true;
    private boolean trackRunningStatistics = true;
    private ElementType elementType = ElementType.FLOAT32;
    private @Nullable StatisticsExchange exchange;
    private Activations activations = Activations.NONE;
    private boolean recomputesInput;
    private int ghostBatch;
    private final BackendChoice choice = new BackendChoice();

    BatchNormBuilder(int features) {
        this.features = features;
    }

    /** A builder of the layer that a configuration describes. */
    BatchNormBuilder(BatchNormConfig config) {
        Arguments.requireGiven("config", config, "a BatchNormConfig");
        this.features = config.features();
        this.eps = config.eps();
        this.momentum = config.momentum();
        this.affine = config.affine();
        this.trackRunningStatistics = config.trackRunningStatistics();
        this.elementType = config.elementType();
    }

    /** Added to the variance before the square root; finite, &gt; 0; default 1e-5. */
    public BatchNormBuilder eps(double eps) {
        this.eps = eps;
        return this;
    }

    /**
     * The weight of the newest batch, {@code running = (1 − momentum) · running + momentum · batch}; within [0, 1];
     * default 0.1.
     */
    public BatchNormBuilder momentum(double momentum) {
        this.momentum = OptionalDouble.of(momentum);
        return this;
    }

    /** The running statistics are the plain average over all batches: PyTorch's {@code momentum=None}. */
    public BatchNormBuilder cumulativeAverage() {
        this.momentum = OptionalDouble.empty();
        return this;
    }

    /** Whether the layer has γ and β; default true. */
    public BatchNormBuilder affine(boolean affine) {
        this.affine = affine;
        return this;
    }

    /** Whether the layer keeps running statistics for inference; default true. */
    public BatchNormBuilder trackRunningStatistics(boolean track) {
        this.trackRunningStatistics = track;
        return this;
    }

    /**
     * The type of parameters, their gradients and statistics. Batches of a layer of FLOAT32, the default, are of
     * FLOAT32, FLOAT16 or BFLOAT16, each of its own; those of a layer of {@link ElementType#FLOAT64} are all of
     * FLOAT64, and its arrays are {@link BatchNorm#doubleWeight()} and so on. The CPU backends do it, and
     * {@code tornadovm}, whose devices all have float64; {@code auto} takes a backend that does.
     *
     * @throws IllegalArgumentException if it is null; {@link #build()} throws it for a 16-bit type, and where a backend
     *     was forced that does not take FLOAT64
     */
    public BatchNormBuilder elementType(ElementType type) {
        Arguments.requireGiven("elementType", type, "FLOAT32 or FLOAT64");
        this.elementType = type;
        return this;
    }

    /**
     * Forces a backend ({@code vector}, {@code scalar}, {@code tornadovm}) or leaves the choice to the library
     * ({@code auto}); default: what the system property {@value Backends#BACKEND_PROPERTY} says, else {@code auto}.
     */
    public BatchNormBuilder backend(String backend) {
        choice.backend(backend);
        return this;
    }

    /**
     * CPU threads, ≥ 1, the caller's among them; default: the system property {@value BackendOptions#THREADS_PROPERTY},
     * else all processors.
     */
    public BatchNormBuilder threads(int threads) {
        choice.threads(threads);
        return this;
    }

    /**
     * The device of a backend that has several; default: the system property {@value BackendOptions#DEVICE_PROPERTY},
     * else the backend's choice.
     */
    public BatchNormBuilder device(String device) {
        choice.device(device);
        return this;
    }

    /**
     * An activation after batch norm, {@code y = act(z)} of {@code z = BN(x)}, in the same passes over memory. The
     * layer's backward is given the gradient by that y, and its results are those of batch norm's own for
     *
     * <pre>{@code dz = dy · act′(z),   act′(z) = 1 where z > 0, else the slope}</pre>
     *
     * in place of dy. It computes z again, bit by bit, from x and the γ and β of the forward, of which the layer or
     * {@link SavedStatistics} keeps copies: an optimizer may change them in between, and dx is scaled with those of the
     * forward. With a residual the sign is that of y, and γ is taken as it is then. A backend that cannot do it is not
     * taken by {@code auto}.
     *
     * @throws IllegalArgumentException if it is null; {@link #build()} throws it where a backend was forced that does
     *     no activations
     */
    public BatchNormBuilder activation(Activation activation) {
        activations = activations.withOutput(activation);
        return this;
    }

    /**
     * An activation before batch norm, {@code y = BN(a)} of {@code a = act(x)}, as the textbook's network has it. The
     * statistics are those of a; x is what comes before the activation, and dx the gradient by that,
     *
     * <pre>{@code dx = da · act′(x),   act′(x) = 1 where x > 0, else the slope}</pre>
     *
     * where da is what batch norm's own backward gives for its input a. Backends and errors are those of
     * {@link #activation(Activation)}, with which it may be combined: {@code y = output(BN(input(x)))}.
     */
    public BatchNormBuilder inputActivation(Activation activation) {
        activations = activations.withInput(activation);
        return this;
    }

    /**
     * In-place training (Rota Bulò, Porzi &amp; Kontschieder 2018): the layer's backward takes y where it took x,
     * {@code backward(y, dy, dx)}, so that x need not be kept, and forward may write y over it. It is made again of y:
     * with {@code z = activation⁻¹(y)}, which is y where y &gt; 0, else y by the slope, and the γ and β of the forward,
     * of which the layer or {@link SavedStatistics} keeps copies,
     *
     * <pre>{@code
     * x̂ = (z − beta) / gamma,   dz = dy · activation′(z),   dbeta = Σ dz,   dgamma = Σ dz · x̂
     * dx = gamma · rstd · (dz − dbeta / m − x̂ · dgamma / m),   through given (frozen) statistics gamma · rstd · dz
     * }</pre>
     *
     * <p>The price is what rounding took from y: x̂ is off by about {@code 2⁻²⁴ · (|x̂| + |beta / gamma|)}. So a
     * forward to which a backward will come ends in an {@link IllegalArgumentException}, before anything is written,
     * where some |γ| is less than |β| / 1024, or not within 2⁻³² to 2³²; where y is of a 16-bit type; and with a
     * residual. y must be finite. A backward that is given x all the same cannot be told from one that is given y, and
     * its gradients are wrong. Ghost batches, padded sequences and FLOAT64 go with it. Like the backend, it is no part
     * of the {@link BatchNormConfig}.
     *
     * @param recompute default false; with true, {@link #build()} throws an {@link IllegalArgumentException} where
     *     there is an {@link #inputActivation}, an {@link #activation} other than LeakyReLU of slope 1e-6 to 1e6,
     *     {@link #synchronizedBy}, or a forced backend that needs x
     */
    public BatchNormBuilder recomputeInputFromOutput(boolean recompute) {
        recomputesInput = recompute;
        return this;
    }

    /**
     * Takes statistics of the batches of several ranks as of one: PyTorch's {@code SyncBatchNorm}. Training forwards
     * and their backwards then exchange one message each, in which every rank must take part, with a batch of any size,
     * none included. All ranks have the same statistics, bit by bit. The gradients of γ and β are those of the rank's
     * own values; {@link StatisticsExchange#allReduce} adds them up. An exchange serves one thread at a time.
     * Activations and residuals go with it, {@link #recomputeInputFromOutput} and {@link #ghostBatch} do not.
     */
    public BatchNormBuilder synchronizedBy(StatisticsExchange exchange) {
        Arguments.requireGiven("exchange", exchange, "a StatisticsExchange");
        this.exchange = exchange;
        return this;
    }

    /**
     * Takes statistics of each slice of {@code size} samples apart: ghost batches (Hoffer, Hubara &amp; Soudry 2017),
     * with which a large batch keeps the noise of small ones. A training forward normalizes each slice as a batch of
     * its own, the first {@code size} samples, the next and so on; the last may be smaller. Backward differentiates
     * each through its own statistics, and adds up their gradients of γ and β in double precision. The running
     * statistics follow the slices in order, as one batch each, which {@link BatchNorm#numBatchesTracked()} counts.
     * Batch statistics in inference mode are those of the whole batch. Not to be had together with
     * {@link #synchronizedBy}. Like the backend, it is no part of the {@link BatchNormConfig}.
     *
     * @param size samples, ≥ 1; a slice that would have one value per feature is refused in training
     */
    public BatchNormBuilder ghostBatch(int size) {
        if (size < 1) {
            throw new IllegalArgumentException("ghostBatch: " + size + " given, must be at least 1 sample");
        }
        this.ghostBatch = size;
        return this;
    }

    /**
     * Builds the layer.
     *
     * @throws IllegalArgumentException if a value is out of range or no backend has the given name
     * @throws org.batchnorm.spi.BackendUnavailableException if a backend was forced that cannot be used here, with the
     *     reason and the remedy
     */
    public BatchNorm build() {
        BatchNormConfig config =
                new BatchNormConfig(features, eps, momentum, affine, trackRunningStatistics, elementType);
        if (exchange != null && ghostBatch > 0) {
            throw new IllegalArgumentException("ghostBatch: " + ghostBatch + " given together with synchronizedBy; must"
                    + " be one of them, statistics of slices of a batch or of the batches of all ranks");
        }
        Backends.OpenBackend open = choice.open();
        Backends.OpenBackend backend = new Backends.OpenBackend(open.name(), inTraining(open.operations()));
        return new BatchNorm(
                config,
                new BatchNormFunction(
                        new Arguments("layer", features, elementType), eps, activations, backend, recomputesInput));
    }

    private BatchNormOperations inTraining(BatchNormOperations backend) {
        if (exchange != null) {
            return new SynchronizedOperations(backend, exchange, features, elementType);
        }
        return ghostBatch > 0 ? new GhostOperations(backend, ghostBatch, features, elementType) : backend;
    }
}

package org.batchnorm.dl4j;

import static org.deeplearning4j.nn.params.BatchNormalizationParamInitializer.BETA;
import static org.deeplearning4j.nn.params.BatchNormalizationParamInitializer.GAMMA;
import static org.deeplearning4j.nn.params.BatchNormalizationParamInitializer.GLOBAL_LOG_STD;
import static org.deeplearning4j.nn.params.BatchNormalizationParamInitializer.GLOBAL_MEAN;
import static org.deeplearning4j.nn.params.BatchNormalizationParamInitializer.GLOBAL_VAR;

import java.lang.ref.Reference;
import java.util.Arrays;
import java.util.Objects;
import org.batchnorm.data.Batch;
import org.deeplearning4j.nn.conf.CNN2DFormat;
import org.deeplearning4j.nn.conf.NeuralNetConfiguration;
import org.deeplearning4j.nn.gradient.DefaultGradient;
import org.deeplearning4j.nn.gradient.Gradient;
import org.deeplearning4j.nn.workspace.ArrayType;
import org.deeplearning4j.nn.workspace.LayerWorkspaceMgr;
import org.jspecify.annotations.Nullable;
import org.nd4j.common.primitives.Pair;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.api.ops.executioner.OpExecutioner.ExecutionerType;
import org.nd4j.linalg.factory.Nd4j;

/**
 * The layer of a network. What {@link BatchNormalization} says is not computed here is left to the class that it
 * extends.
 */
final class BatchNormalizationLayer extends org.deeplearning4j.nn.layers.normalization.BatchNormalization {
    private static final long serialVersionUID = 1L;

    private final boolean onCpu = Nd4j.getExecutioner().type() == ExecutionerType.NATIVE_CPU;

    private transient @Nullable FeatureState lastState;
    private transient @Nullable DenseLayout lastLayout;
    /** That of the forward operation, if it was computed here. */
    private transient @Nullable TrainingMode forwardMode;

    BatchNormalizationLayer(NeuralNetConfiguration conf, DataType dataType) {
        super(conf, dataType);
    }

    @Override
    public INDArray preOutput(INDArray x, TrainingMode training, LayerWorkspaceMgr workspaces) {
        if (isLeft(x, training)) {
            forwardMode = null;
            return super.preOutput(x, training, workspaces);
        }
        forwardMode = training;
        return forward(x, training, workspaces);
    }

    @Override
    public Pair<Gradient, INDArray> backpropGradient(INDArray epsilon, LayerWorkspaceMgr workspaces) {
        TrainingMode forward = forwardMode;
        return forward == null ? super.backpropGradient(epsilon, workspaces) : backward(epsilon, forward, workspaces);
    }

    /** Whether Deeplearning4j is to compute this input, or to refuse it. */
    private boolean isLeft(INDArray x, TrainingMode training) {
        boolean known = onCpu && dataType == DataType.FLOAT && (x.rank() == 2 || x.rank() == 4) && !x.isEmpty();
        if (!known || x.size(featureAxis(x)) != layerConf().getNOut()) {
            return true;
        }
        boolean oneValuePerFeature = x.length() == layerConf().getNOut();
        double eps = layerConf().getEps();
        return (oneValuePerFeature && training == TrainingMode.TRAIN)
                || !(eps > 0 && Double.isFinite(eps))
                || isHalfLocked();
    }

    /** Deeplearning4j's forward ignores locked values of which one is the default, its backward does not. */
    private boolean isHalfLocked() {
        return layerConf().isLockGammaBeta()
                && (layerConf().getGamma() == 1.0) != (layerConf().getBeta() == 0.0);
    }

    private int featureAxis(INDArray x) {
        return x.rank() == 4 && layerConf().getCnn2DFormat() == CNN2DFormat.NHWC ? 3 : 1;
    }

    private INDArray forward(INDArray given, TrainingMode training, LayerWorkspaceMgr workspaces) {
        INDArray x = dense(given);
        DenseLayout layout = layoutOf(x);
        INDArray y = layout.create(
                extents -> workspaces.createUninitialized(ArrayType.ACTIVATIONS, DataType.FLOAT, extents, 'c'));
        normalize(x, y, layout, training);
        return y;
    }

    private void normalize(INDArray x, INDArray y, DenseLayout layout, TrainingMode training) {
        FeatureState state = state();
        if (layerConf().isLockGammaBeta()) {
            state.lock(layerConf().getGamma(), layerConf().getBeta());
        } else {
            state.readParameters(getParam(GAMMA), getParam(BETA));
        }
        try {
            Batch from = layout.batch("x", x);
            Batch to = layout.batch("y", y);
            if (training == TrainingMode.TRAIN) {
                state.function.forward(from, to, state.parameters, state.saved);
            } else {
                state.function.inference(
                        from, to, state.parameters, state.mean(getParam(GLOBAL_MEAN)), variance(state), state.saved);
            }
        } finally {
            Reference.reachabilityFence(x);
            Reference.reachabilityFence(y);
        }
    }

    private float[] variance(FeatureState state) {
        return layerConf().isUseLogStd()
                ? state.varianceOfLogStd(getParam(GLOBAL_LOG_STD))
                : state.variance(getParam(GLOBAL_VAR));
    }

    private Pair<Gradient, INDArray> backward(INDArray epsilon, TrainingMode forward, LayerWorkspaceMgr workspaces) {
        assertInputSet(true);
        INDArray x = dense(input);
        DenseLayout layout = layoutOf(x);
        INDArray dy = inLayout(layout, epsilon);
        FeatureState state = state();
        if (!state.saved.isFilled()) { // the second backward of one forward
            normalize(x, layout.create(BatchNormalizationLayer::temporary), layout, forward);
        }
        INDArray dx = layout.create(
                extents -> workspaces.createUninitialized(ArrayType.ACTIVATION_GRAD, DataType.FLOAT, extents, 'c'));
        try {
            state.function.backward(
                    layout.batch("x", x),
                    layout.batch("dy", dy),
                    layout.batch("dx", dx),
                    state.parameters,
                    state.saved);
        } finally {
            Reference.reachabilityFence(x);
            Reference.reachabilityFence(dy);
            Reference.reachabilityFence(dx);
        }
        return new Pair<>(gradient(state), dx);
    }

    /** Writes the gradients, those that move the running statistics included, to their places in the network's. */
    private Gradient gradient(FeatureState state) {
        Gradient gradient = new DefaultGradient();
        if (!layerConf().isLockGammaBeta()) {
            state.writeGradients(place(GAMMA, gradient), place(BETA, gradient));
        }
        double decay = layerConf().getDecay();
        state.writeUpdate(getParam(GLOBAL_MEAN), state.saved.mean(), decay, place(GLOBAL_MEAN, gradient));
        float[] variance = state.saved.variance();
        if (layerConf().isUseLogStd()) {
            state.writeLogStdUpdate(getParam(GLOBAL_LOG_STD), variance, decay, place(GLOBAL_LOG_STD, gradient));
        } else {
            state.writeUpdate(getParam(GLOBAL_VAR), variance, decay, place(GLOBAL_VAR, gradient));
        }
        return gradient;
    }

    /** Where the network wants the gradient of a parameter, which joins the others. */
    private INDArray place(String parameter, Gradient gradient) {
        INDArray place = Objects.requireNonNull(gradientViews.get(parameter), parameter);
        gradient.setGradientFor(parameter, place);
        return place;
    }

    private FeatureState state() {
        FeatureState state = lastState;
        if (state == null || !state.isFor(layerConf().getNOut(), layerConf().getEps())) {
            state = new FeatureState(
                    Math.toIntExact(layerConf().getNOut()), layerConf().getEps());
            lastState = state;
        }
        return state;
    }

    /** The values as floats without gaps: a copy only where they are not so already. */
    private INDArray dense(INDArray given) {
        INDArray x = given.castTo(DataType.FLOAT);
        DenseLayout layout = DenseLayout.of(x, featureAxis(x), lastLayout);
        return layout == null ? x.dup('c') : x;
    }

    private DenseLayout layoutOf(INDArray dense) {
        DenseLayout layout = Objects.requireNonNull(DenseLayout.of(dense, featureAxis(dense), lastLayout));
        lastLayout = layout;
        return layout;
    }

    /** The gradient in the order in which the input lies. */
    private static INDArray inLayout(DenseLayout layout, INDArray epsilon) {
        INDArray dy = epsilon.castTo(DataType.FLOAT);
        if (layout.isThatOf(dy)) {
            return dy;
        }
        if (!layout.hasExtentsOf(dy)) {
            throw new IllegalArgumentException("epsilon: shape " + Arrays.toString(dy.shape())
                    + " given, must be that of the input, (N, C, S) = " + layout.shape());
        }
        return layout.create(BatchNormalizationLayer::temporary).assign(dy);
    }

    private static INDArray temporary(long[] extents) {
        return Nd4j.createUninitialized(DataType.FLOAT, extents, 'c');
    }
}

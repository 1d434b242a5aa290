package org.batchnorm.bench.experiments.inplace;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.batchnorm.BatchNorm;
import org.batchnorm.bench.experiments.network.Linear;
import org.batchnorm.bench.experiments.network.Parameter;
import org.batchnorm.bench.experiments.network.Sgd;
import org.batchnorm.bench.experiments.network.SoftmaxCrossEntropy;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.Activation;

/**
 * A stack of blocks, Linear → batch norm and LeakyReLU, and a linear layer that classifies. For its backward a block
 * keeps z, the input of batch norm, and y, the input of the next block. In place y stands where z stood:
 *
 * <pre>
 *   x ─Linear─▶ z₁ ─BN─▶ y₁ ─Linear─▶ z₂ ─BN─▶ y₂ …      kept: z₁ y₁ z₂ y₂ …
 *   x ─Linear─▶ y₁ ═BN═▶ y₁ ─Linear─▶ y₂ ═BN═▶ y₂ …      kept:    y₁    y₂ …
 * </pre>
 *
 * <p>All blocks have their gradients in the same two arrays, in both cases.
 */
final class Stack implements AutoCloseable {
    private static final double SLOPE = 0.01;
    private static final double LEARNING_RATE = 0.02;

    private final int n;
    private final BatchShape shape;
    private final boolean inPlace;
    private final List<Block> blocks = new ArrayList<>();
    private final Linear last;
    private final SoftmaxCrossEntropy loss;
    private final List<Parameter> parameters = new ArrayList<>();
    private final Sgd optimizer;
    private final float[] logits;
    private final float[] dlogits;
    private float[] gradient;
    private float[] otherGradient;

    /** z and y are the same array in place. */
    @SuppressWarnings("ArrayRecordComponent") // live arrays, never compared
    private record Block(Linear linear, BatchNorm norm, float[] z, float[] y) {}

    /** How large a stack is. */
    record Size(int inputs, int width, int depth, int classes) {}

    /**
     * A new stack; those of the same seed have the same weights.
     *
     * @param n rows of a batch
     */
    Stack(Size size, int n, boolean inPlace, long seed) {
        this.n = n;
        this.shape = BatchShape.of(n, size.width);
        this.inPlace = inPlace;
        SplittableRandom random = new SplittableRandom(seed);
        for (int i = 0; i < size.depth; i++) {
            Linear linear = Linear.he(i == 0 ? size.inputs : size.width, size.width, random);
            BatchNorm norm = BatchNorm.builder(size.width)
                    .activation(Activation.leakyRelu(SLOPE))
                    .recomputeInputFromOutput(inPlace)
                    .build();
            float[] z = new float[n * size.width];
            blocks.add(new Block(linear, norm, z, inPlace ? z : new float[z.length]));
            parameters.addAll(linear.parameters());
            parameters.add(new Parameter("weight", norm.weight(), norm.weightGradient()));
            parameters.add(new Parameter("bias", norm.bias(), norm.biasGradient()));
        }
        this.last = Linear.glorot(size.width, size.classes, random);
        this.loss = new SoftmaxCrossEntropy(size.classes);
        parameters.addAll(last.parameters());
        this.optimizer = new Sgd(parameters, LEARNING_RATE, Sgd.DEFAULT_MOMENTUM);
        this.logits = new float[n * size.classes];
        this.dlogits = new float[logits.length];
        this.gradient = new float[n * size.width];
        this.otherGradient = new float[gradient.length];
    }

    /** The bytes that the blocks keep from the forward to the backward. */
    long keptBytes() {
        long values = 0;
        for (Block block : blocks) {
            values += inPlace ? block.y.length : (long) block.z.length + block.y.length;
        }
        return values * Float.BYTES;
    }

    /** The backend that does batch norm. */
    String backendName() {
        return blocks.getFirst().norm.backendName();
    }

    /** One step of training; returns the loss before it. */
    double step(float[] x, int[] labels) {
        float[] input = x;
        for (Block block : blocks) {
            block.linear.forward(n, input, block.z, true);
            block.norm.forward(block.z, block.y, shape);
            input = block.y;
        }
        last.forward(n, input, logits, true);
        double result = loss.lossAndGradient(n, logits, labels, dlogits);
        parameters.forEach(parameter -> Arrays.fill(parameter.gradient(), 0));
        last.backward(n, input, logits, dlogits, gradient);
        for (int i = blocks.size() - 1; i >= 0; i--) {
            backward(i, i == 0 ? x : blocks.get(i - 1).y);
        }
        optimizer.step();
        return result;
    }

    /** The backward of a block, of the gradient by its output to that by its input. */
    private void backward(int i, float[] input) {
        Block block = blocks.get(i);
        block.norm.backward(inPlace ? block.y : block.z, gradient, gradient, shape);
        block.linear.backward(n, input, block.z, gradient, i == 0 ? null : otherGradient);
        float[] of = gradient;
        gradient = otherGradient;
        otherGradient = of;
    }

    @Override
    public void close() {
        blocks.forEach(block -> block.norm.close());
    }
}

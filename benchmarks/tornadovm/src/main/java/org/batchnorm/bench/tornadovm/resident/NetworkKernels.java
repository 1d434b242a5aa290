package org.batchnorm.bench.tornadovm.resident;

import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.math.TornadoMath;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.IntArray;

/**
 * The device code of the example around batch norm: fully connected layers, activations, the loss and the optimizers.
 * Simple kernels, to be read, not to be measured.
 *
 * <p>Every kernel that works on a batch reads the number of its rows from {@code samples}, so that the same compiled
 * kernel serves every batch size up to the one that its grid was made for. Widths come in arrays too where loops run
 * over them: TornadoVM would compile a scalar in as a constant and unroll the loop.
 */
final class NetworkKernels {

    /**
     * The side of the square tile of a matrix product, in work-items; two tiles of float32 are 2 KiB of local memory.
     */
    static final int TILE = 16;

    /** The work-items of a kernel that runs over elements, and of the one work-group that sums the loss. */
    static final int GROUP = 64;

    /** Where in {@code batch} the indexes of the images begin: after the number of the step. */
    static final int FIRST_IMAGE = 1;

    private NetworkKernels() {}

    /**
     * Copies the rows of a batch out of the data set: {@code x[r] = data[index_r]}.
     *
     * <p><b>Grid</b> (⌈width / GROUP⌉ · GROUP, rows), <b>local</b> (GROUP, 1).
     *
     * @param samples in, (1): rows
     * @param batch in, (1 + rows): the step, then the index of each row's image
     * @param data in, (images, width)
     * @param x out, (rows, width)
     */
    static void gather(
            KernelContext context, IntArray samples, IntArray batch, FloatArray data, FloatArray x, int width) {
        int column = context.globalIdx;
        int row = context.globalIdy;
        if (column < width && row < samples.get(0)) {
            x.set(row * width + column, data.get(batch.get(FIRST_IMAGE + row) * width + column));
        }
    }

    /**
     * {@code y = x · W + b}.
     *
     * <p><b>Grid</b> (outputs, rows), both rounded up to whole tiles, <b>local</b> (TILE, TILE).
     *
     * @param samples in, (1): rows
     * @param size in, (2): inputs, outputs
     * @param x in, (rows, inputs)
     * @param weights in, (inputs + 1, outputs): W, and b as the last row
     * @param y out, (rows, outputs)
     */
    static void linear(
            KernelContext context, IntArray samples, IntArray size, FloatArray x, FloatArray weights, FloatArray y) {
        int rows = samples.get(0);
        int inputs = size.get(0);
        int outputs = size.get(1);
        int column = context.globalIdx;
        int row = context.globalIdy;
        int tileColumn = context.localIdx;
        int tileRow = context.localIdy;
        float[] xTile = context.allocateFloatLocalArray(TILE * TILE);
        float[] weightTile = context.allocateFloatLocalArray(TILE * TILE);
        float sum = 0f;
        for (int from = 0; from < inputs; from += TILE) {
            float left = 0f;
            if (row < rows && from + tileColumn < inputs) {
                left = x.get(row * inputs + from + tileColumn);
            }
            float right = 0f;
            if (column < outputs && from + tileRow < inputs) {
                right = weights.get((from + tileRow) * outputs + column);
            }
            xTile[tileRow * TILE + tileColumn] = left;
            weightTile[tileRow * TILE + tileColumn] = right;
            context.localBarrier();
            float part = 0f;
            for (int k = 0; k < TILE; k++) {
                part += xTile[tileRow * TILE + k] * weightTile[k * TILE + tileColumn];
            }
            sum += part;
            context.localBarrier();
        }
        if (row < rows && column < outputs) {
            y.set(row * outputs + column, sum + weights.get(inputs * outputs + column));
        }
    }

    /**
     * {@code dx = dy · Wᵀ}.
     *
     * <p><b>Grid</b> (inputs, rows), both rounded up to whole tiles, <b>local</b> (TILE, TILE).
     *
     * @param samples in, (1): rows
     * @param size in, (2): inputs, outputs
     * @param dy in, (rows, outputs)
     * @param weights in, (inputs + 1, outputs)
     * @param dx out, (rows, inputs)
     */
    static void linearInputGradient(
            KernelContext context, IntArray samples, IntArray size, FloatArray dy, FloatArray weights, FloatArray dx) {
        int rows = samples.get(0);
        int inputs = size.get(0);
        int outputs = size.get(1);
        int column = context.globalIdx;
        int row = context.globalIdy;
        int tileColumn = context.localIdx;
        int tileRow = context.localIdy;
        int firstColumn = column - tileColumn;
        float[] dyTile = context.allocateFloatLocalArray(TILE * TILE);
        float[] weightTile = context.allocateFloatLocalArray(TILE * TILE);
        float sum = 0f;
        for (int from = 0; from < outputs; from += TILE) {
            float left = 0f;
            if (row < rows && from + tileColumn < outputs) {
                left = dy.get(row * outputs + from + tileColumn);
            }
            float right = 0f;
            if (firstColumn + tileRow < inputs && from + tileColumn < outputs) {
                right = weights.get((firstColumn + tileRow) * outputs + from + tileColumn);
            }
            dyTile[tileRow * TILE + tileColumn] = left;
            weightTile[tileRow * TILE + tileColumn] = right;
            context.localBarrier();
            float part = 0f;
            for (int k = 0; k < TILE; k++) {
                part += dyTile[tileRow * TILE + k] * weightTile[tileColumn * TILE + k];
            }
            sum += part;
            context.localBarrier();
        }
        if (row < rows && column < inputs) {
            dx.set(row * inputs + column, sum);
        }
    }

    /**
     * {@code dW = xᵀ · dy} and {@code db = Σ dy} over the rows: the bias is a row of weights whose input is always 1.
     *
     * <p><b>Grid</b> (outputs, inputs + 1), both rounded up to whole tiles, <b>local</b> (TILE, TILE).
     *
     * @param samples in, (1): rows
     * @param size in, (2): inputs, outputs
     * @param x in, (rows, inputs)
     * @param dy in, (rows, outputs)
     * @param gradients out, (inputs + 1, outputs): dW, and db as the last row
     */
    static void linearWeightGradient(
            KernelContext context, IntArray samples, IntArray size, FloatArray x, FloatArray dy, FloatArray gradients) {
        int rows = samples.get(0);
        int inputs = size.get(0);
        int outputs = size.get(1);
        int column = context.globalIdx;
        int input = context.globalIdy;
        int tileColumn = context.localIdx;
        int tileRow = context.localIdy;
        int firstInput = input - tileRow;
        float[] xTile = context.allocateFloatLocalArray(TILE * TILE);
        float[] dyTile = context.allocateFloatLocalArray(TILE * TILE);
        float sum = 0f;
        for (int from = 0; from < rows; from += TILE) {
            float left = 0f;
            float right = 0f;
            if (from + tileRow < rows) {
                if (firstInput + tileColumn < inputs) {
                    left = x.get((from + tileRow) * inputs + firstInput + tileColumn);
                }
                if (firstInput + tileColumn == inputs) {
                    left = 1f;
                }
                if (column < outputs) {
                    right = dy.get((from + tileRow) * outputs + column);
                }
            }
            xTile[tileRow * TILE + tileColumn] = left;
            dyTile[tileRow * TILE + tileColumn] = right;
            context.localBarrier();
            float part = 0f;
            for (int k = 0; k < TILE; k++) {
                part += xTile[k * TILE + tileRow] * dyTile[k * TILE + tileColumn];
            }
            sum += part;
            context.localBarrier();
        }
        if (input <= inputs && column < outputs) {
            gradients.set(input * outputs + column, sum);
        }
    }

    /**
     * {@code y = x} for x &gt; 0, else {@code y = slope · x}.
     *
     * <p><b>Grid</b> (⌈rows · width / GROUP⌉ · GROUP), <b>local</b> (GROUP).
     *
     * @param samples in, (1): rows
     * @param x in, (rows, width)
     * @param y out, (rows, width)
     */
    static void leakyRelu(KernelContext context, IntArray samples, FloatArray x, FloatArray y, int width, float slope) {
        int i = context.globalIdx;
        if (i < samples.get(0) * width) {
            float value = x.get(i);
            y.set(i, value > 0f ? value : slope * value);
        }
    }

    /**
     * {@code dx = dy} for x &gt; 0, else {@code dx = slope · dy}, in place.
     *
     * <p><b>Grid</b> as {@link #leakyRelu}.
     *
     * @param x in, (rows, width): the input of the forward operation
     * @param gradient in and out, (rows, width): dy, then dx
     */
    static void leakyReluGradient(
            KernelContext context, IntArray samples, FloatArray x, FloatArray gradient, int width, float slope) {
        int i = context.globalIdx;
        if (i < samples.get(0) * width) {
            float dy = gradient.get(i);
            gradient.set(i, x.get(i) > 0f ? dy : slope * dy);
        }
    }

    /**
     * {@code y = 1 / (1 + exp(−x))}.
     *
     * <p><b>Grid</b> as {@link #leakyRelu}.
     *
     * @param x in, (rows, width)
     * @param y out, (rows, width)
     */
    static void sigmoid(KernelContext context, IntArray samples, FloatArray x, FloatArray y, int width) {
        int i = context.globalIdx;
        if (i < samples.get(0) * width) {
            y.set(i, 1f / (1f + TornadoMath.exp(-x.get(i))));
        }
    }

    /**
     * {@code dx = dy · y · (1 − y)}, in place.
     *
     * <p><b>Grid</b> as {@link #leakyRelu}.
     *
     * @param y in, (rows, width): the output of the forward operation
     * @param gradient in and out, (rows, width): dy, then dx
     */
    static void sigmoidGradient(KernelContext context, IntArray samples, FloatArray y, FloatArray gradient, int width) {
        int i = context.globalIdx;
        if (i < samples.get(0) * width) {
            float value = y.get(i);
            gradient.set(i, gradient.get(i) * value * (1f - value));
        }
    }

    /**
     * The loss of classification: with {@code p = softmax(logits)}, the mean over the rows of {@code −log p[label]},
     * and its gradient {@code (p − onehot(label)) / rows}.
     *
     * <p><b>Grid</b> and <b>local</b> (GROUP): one work-group, which walks down the rows and then sums their losses.
     *
     * @param samples in, (1): rows
     * @param batch in, (1 + rows): the step, then the index of each row's image
     * @param size in, (1): classes
     * @param labels in, (images), of the whole data set
     * @param logits in, (rows, classes)
     * @param gradient out, (rows, classes)
     * @param losses out, one per step; the one of this step is written
     */
    static void softmaxCrossEntropy(
            KernelContext context,
            IntArray samples,
            IntArray batch,
            IntArray size,
            IntArray labels,
            FloatArray logits,
            FloatArray gradient,
            FloatArray losses) {
        int rows = samples.get(0);
        int classes = size.get(0);
        int lane = context.localIdx;
        float[] sums = context.allocateFloatLocalArray(GROUP);
        float loss = 0f;
        for (int row = lane; row < rows; row += GROUP) {
            int label = labels.get(batch.get(FIRST_IMAGE + row));
            float largest = largest(logits, row, classes);
            float sum = sumOfExponentials(logits, row, classes, largest);
            for (int j = 0; j < classes; j++) {
                float p = TornadoMath.exp(logits.get(row * classes + j) - largest) / sum;
                float target = j == label ? 1f : 0f;
                gradient.set(row * classes + j, (p - target) / rows);
            }
            loss += TornadoMath.log(sum) + largest - logits.get(row * classes + label);
        }
        sums[lane] = loss;
        for (int half = GROUP / 2; half > 0; half /= 2) {
            context.localBarrier();
            if (lane < half) {
                sums[lane] += sums[lane + half];
            }
        }
        if (lane == 0) {
            losses.set(batch.get(0), sums[0] / rows);
        }
    }

    /**
     * How well a batch was classified: the sum of its losses, and the number of rows whose largest logit stands at the
     * label.
     *
     * <p><b>Grid</b> and <b>local</b> (GROUP): one work-group.
     *
     * @param samples in, (1): rows
     * @param batch in, (1 + rows): the step, then the index of each row's image
     * @param size in, (1): classes
     * @param labels in, (images), of the whole data set
     * @param logits in, (rows, classes)
     * @param score out, (2): the sum of the losses, the number of rows classified correctly
     */
    static void score(
            KernelContext context,
            IntArray samples,
            IntArray batch,
            IntArray size,
            IntArray labels,
            FloatArray logits,
            FloatArray score) {
        int rows = samples.get(0);
        int classes = size.get(0);
        int lane = context.localIdx;
        float[] losses = context.allocateFloatLocalArray(GROUP);
        float[] hits = context.allocateFloatLocalArray(GROUP);
        float loss = 0f;
        float correct = 0f;
        for (int row = lane; row < rows; row += GROUP) {
            int label = labels.get(batch.get(FIRST_IMAGE + row));
            float largest = largest(logits, row, classes);
            float atLabel = logits.get(row * classes + label);
            loss += TornadoMath.log(sumOfExponentials(logits, row, classes, largest)) + largest - atLabel;
            correct += isFirstLargest(logits, row, classes, label, largest);
        }
        losses[lane] = loss;
        hits[lane] = correct;
        for (int half = GROUP / 2; half > 0; half /= 2) {
            context.localBarrier();
            if (lane < half) {
                losses[lane] += losses[lane + half];
                hits[lane] += hits[lane + half];
            }
        }
        if (lane == 0) {
            score.set(0, losses[0]);
            score.set(1, hits[0]);
        }
    }

    private static float largest(FloatArray logits, int row, int classes) {
        float largest = logits.get(row * classes);
        for (int j = 1; j < classes; j++) {
            largest = TornadoMath.max(largest, logits.get(row * classes + j));
        }
        return largest;
    }

    private static float sumOfExponentials(FloatArray logits, int row, int classes, float largest) {
        float sum = 0f;
        for (int j = 0; j < classes; j++) {
            sum += TornadoMath.exp(logits.get(row * classes + j) - largest);
        }
        return sum;
    }

    /** 1 if the label's logit is the largest and none before it is as large, else 0. */
    private static float isFirstLargest(FloatArray logits, int row, int classes, int label, float largest) {
        float hit = logits.get(row * classes + label) == largest ? 1f : 0f;
        for (int j = 0; j < label; j++) {
            hit = logits.get(row * classes + j) == largest ? 0f : hit;
        }
        return hit;
    }

    /**
     * Stochastic gradient descent with momentum:
     *
     * <ul>
     *   <li>{@code velocity = momentum · velocity + gradient};
     *   <li>{@code value = value − learningRate · velocity}.
     * </ul>
     *
     * <p><b>Grid</b> (⌈n / GROUP⌉ · GROUP), <b>local</b> (GROUP).
     *
     * @param values in and out, (n)
     * @param gradients in, (n)
     * @param state in and out, (n): velocities
     * @param rates in, (2): learningRate, momentum
     */
    static void sgd(
            KernelContext context, FloatArray values, FloatArray gradients, FloatArray state, FloatArray rates, int n) {
        int i = context.globalIdx;
        if (i < n) {
            float velocity = rates.get(1) * state.get(i) + gradients.get(i);
            state.set(i, velocity);
            values.set(i, values.get(i) - rates.get(0) * velocity);
        }
    }

    /**
     * Adam (Kingma &amp; Ba 2015, algorithm 1):
     *
     * <ul>
     *   <li>{@code m = β₁·m + (1−β₁)·g};
     *   <li>{@code v = β₂·v + (1−β₂)·g²};
     *   <li>{@code value = value − rate · m / (sqrt(v · correction) + ε)}.
     * </ul>
     *
     * The rate and the correction hold the biases of step t: {@code rate = learningRate / (1−β₁ᵗ)} and
     * {@code correction = 1 / (1−β₂ᵗ)}.
     *
     * <p><b>Grid</b> (⌈n / GROUP⌉ · GROUP), <b>local</b> (GROUP).
     *
     * @param values in and out, (n)
     * @param gradients in, (n)
     * @param state in and out, (2, n): m, v
     * @param rates in, (2): rate, correction
     */
    static void adam(
            KernelContext context,
            FloatArray values,
            FloatArray gradients,
            FloatArray state,
            FloatArray rates,
            int n,
            float beta1,
            float beta2,
            float epsilon) {
        int i = context.globalIdx;
        if (i < n) {
            float g = gradients.get(i);
            float m = beta1 * state.get(i) + (1f - beta1) * g;
            float v = beta2 * state.get(n + i) + (1f - beta2) * g * g;
            state.set(i, m);
            state.set(n + i, v);
            values.set(i, values.get(i) - rates.get(0) * m / (TornadoMath.sqrt(v * rates.get(1)) + epsilon));
        }
    }
}

package org.batchnorm.bench.experiments.network;

/**
 * The loss of classification: with {@code p = softmax(logits)}, the mean over the rows of {@code −log p[label]}. Its
 * gradient with respect to the logits is {@code (p − onehot(label)) / n}.
 */
public final class SoftmaxCrossEntropy {
    private final int classes;

    /** For rows of as many logits as there are classes. */
    public SoftmaxCrossEntropy(int classes) {
        this.classes = classes;
    }

    /**
     * The mean loss of a batch and its gradient.
     *
     * @param n rows of the batch
     * @param logits in, (n, classes)
     * @param labels in, (n), each within [0, classes)
     * @param dlogits out, (n, classes)
     */
    public double lossAndGradient(int n, float[] logits, int[] labels, float[] dlogits) {
        return lossSumAndGradient(n, n, logits, labels, dlogits) / n;
    }

    /**
     * The same of a part of a batch: the sum of the losses of its rows, and the gradient of the mean over the whole
     * batch.
     *
     * @param n rows of the part
     * @param batchSize rows of the whole batch, ≥ 1
     */
    public double lossSumAndGradient(int n, int batchSize, float[] logits, int[] labels, float[] dlogits) {
        double sum = 0;
        for (int i = 0; i < n; i++) {
            double logSumExp = logSumExp(logits, i);
            sum += logSumExp - logits[i * classes + labels[i]];
            for (int j = 0; j < classes; j++) {
                double p = StrictMath.exp(logits[i * classes + j] - logSumExp);
                dlogits[i * classes + j] = (float) ((p - (j == labels[i] ? 1 : 0)) / batchSize);
            }
        }
        return sum;
    }

    /** The sum of the losses of a batch, and how many of its rows have their largest logit at the label. */
    public Score score(int n, float[] logits, int[] labels) {
        double sum = 0;
        int correct = 0;
        for (int i = 0; i < n; i++) {
            sum += logSumExp(logits, i) - logits[i * classes + labels[i]];
            if (largest(logits, i) == labels[i]) {
                correct++;
            }
        }
        return new Score(sum, correct);
    }

    private double logSumExp(float[] logits, int row) {
        double max = Double.NEGATIVE_INFINITY;
        for (int j = 0; j < classes; j++) {
            max = Math.max(max, logits[row * classes + j]);
        }
        double sum = 0;
        for (int j = 0; j < classes; j++) {
            sum += StrictMath.exp(logits[row * classes + j] - max);
        }
        return max + StrictMath.log(sum);
    }

    private int largest(float[] logits, int row) {
        int largest = 0;
        for (int j = 1; j < classes; j++) {
            if (logits[row * classes + j] > logits[row * classes + largest]) {
                largest = j;
            }
        }
        return largest;
    }

    /**
     * How well a batch was classified.
     *
     * @param lossSum the sum of the rows' losses
     * @param correct the number of rows whose largest logit stands at the label
     */
    public record Score(double lossSum, int correct) {}
}

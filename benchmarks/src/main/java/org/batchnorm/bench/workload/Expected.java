package org.batchnorm.bench.workload;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.IntStream;
import org.batchnorm.conformance.Reference;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.Activations;

/**
 * The results of one operation in double precision, and the check that precedes every measurement: whoever computes
 * something else is not timed.
 *
 * <p>Features do not depend on each other, so of a large batch some features are checked, evenly strided, the first and
 * the last among them.
 */
public final class Expected {

    /** The output of forward and inference, (N, C, S). */
    public static final String Y = "y";

    /** The gradient of x, (N, C, S). */
    public static final String DX = "dx";

    /** The gradient of the residual, (N, C, S). */
    public static final String DRESIDUAL = "dresidual";

    /** The gradient of gamma, (C). */
    public static final String DGAMMA = "dgamma";

    /** The gradient of beta, (C). */
    public static final String DBETA = "dbeta";

    private static final long CHECKED_ELEMENTS = 1_000_000;

    private final Operation operation;
    private final BenchShape shape;
    private final Kind kind;
    private final int[] features;
    private final Map<String, double[]> values;

    private Expected(Operation operation, BenchShape shape, Kind kind, int[] features, Map<String, double[]> values) {
        this.operation = operation;
        this.shape = shape;
        this.kind = kind;
        this.features = features;
        this.values = values;
    }

    /**
     * Computes the operation of the inputs' kind.
     *
     * @throws IllegalArgumentException if it is none of batch normalization's three operations
     */
    public static Expected of(Operation operation, BenchShape shape, Inputs in) {
        int[] features = checkedFeatures(shape);
        Inputs some = new Inputs(
                in.kind(),
                gather(in.x(), shape, features),
                gather(in.dy(), shape, features),
                gather(in.residual(), shape, features),
                gather(in.gamma(), features),
                gather(in.beta(), features),
                gather(in.runningMean(), features),
                gather(in.runningVar(), features));
        BatchShape batch = new BatchShape(
                shape.n(),
                features.length,
                shape.batchShape().spatial(),
                shape.batchShape().layout());
        double[] z = some.normalized();
        Map<String, double[]> values = new LinkedHashMap<>();
        switch (operation) {
            case FORWARD -> {
                Reference.Statistics batchs = Reference.statistics(batch, z, Inputs.EPS);
                values.put(Y, output(batch, z, some, batchs.mean(), batchs.rstd()));
            }
            case INFERENCE -> {
                double[] variance = Reference.widen(some.runningVar());
                double[] rstd = Reference.rstd(variance, Inputs.EPS);
                values.put(Y, output(batch, z, some, Reference.widen(some.runningMean()), rstd));
            }
            case BACKWARD -> values.putAll(gradients(batch, z, some));
            case STEP, COPY, STREAM, READ, READ2, STREAM2 ->
                throw new IllegalArgumentException(
                        "operation: " + operation + " given, must be one of " + Operation.ofBatchNorm());
        }
        return new Expected(operation, shape, in.kind(), features, values);
    }

    /** y of the values z that are normalized. */
    private static double[] output(BatchShape batch, double[] z, Inputs in, double[] mean, double[] rstd) {
        double[] y = Reference.transform(batch, z, Reference.widen(in.gamma()), Reference.widen(in.beta()), mean, rstd);
        float[] residual = in.residual();
        for (int i = 0; i < residual.length; i++) {
            y[i] += residual[i];
        }
        return Inputs.activated(y, in.kind().fusion().activations().output());
    }

    private static Map<String, double[]> gradients(BatchShape batch, double[] z, Inputs in) {
        Activations activations = in.kind().fusion().activations();
        Reference.Statistics batchs = Reference.statistics(batch, z, Inputs.EPS);
        double[] dz = Reference.residualGradient(
                output(batch, z, in, batchs.mean(), batchs.rstd()), Reference.widen(in.dy()), activations.output());
        Reference.Gradients gradients =
                Reference.backward(batch, z, dz, Reference.widen(in.gamma()), batchs.mean(), batchs.rstd(), true);
        Map<String, double[]> values = new LinkedHashMap<>();
        values.put(DX, Reference.residualGradient(z, gradients.dx(), activations.input()));
        values.put(DGAMMA, gradients.dgamma());
        values.put(DBETA, gradients.dbeta());
        if (in.kind().fusion().residual()) {
            values.put(DRESIDUAL, dz);
        }
        return values;
    }

    /**
     * Compares.
     *
     * @param who names the implementation in the message
     * @param results by quantity ({@link #Y}; or {@link #DX}, {@link #DGAMMA}, {@link #DBETA}), in the shape's layout
     * @param tolerance the largest error allowed, relative to the largest expected magnitude of the quantity; what
     *     storing values in the kind's type costs comes on top
     * @throws IllegalStateException if a quantity is missing or wrong
     */
    public void check(String who, Map<String, float[]> results, double tolerance) {
        values.forEach((quantity, expected) -> {
            float[] given = results.getOrDefault(quantity, new float[0]);
            boolean perFeature = quantity.equals(DGAMMA) || quantity.equals(DBETA);
            int length = perFeature ? shape.c() : shape.elements();
            if (given.length != length) {
                throw new IllegalStateException(who + " gave " + given.length + " values of " + quantity + " for "
                        + shape + ", expected " + length + "; not timed");
            }
            float[] checked = perFeature ? gather(given, features) : gather(given, shape, features);
            double scale = Arrays.stream(expected).map(Math::abs).max().orElse(0);
            double bound = (tolerance + stores(quantity) * kind.rounding()) * Math.max(scale, Float.MIN_NORMAL);
            for (int i = 0; i < expected.length; i++) {
                if (!(Math.abs(checked[i] - expected[i]) <= bound)) {
                    throw new IllegalStateException(who + " is wrong on " + operation + " " + shape
                            + (kind.isPlain() ? "" : " " + kind) + ": a value of " + quantity + " is "
                            + checked[i] + ", expected " + expected[i] + " ± " + bound + "; not timed");
                }
            }
        });
    }

    /** How often values of the kind's type were stored on the way: dresidual is, and then stands for dy. */
    private int stores(String quantity) {
        int before = quantity.equals(Y)
                        || quantity.equals(DRESIDUAL)
                        || !kind.fusion().residual()
                ? 0
                : 1;
        return quantity.equals(DGAMMA) || quantity.equals(DBETA) ? before : before + 1;
    }

    private static int[] checkedFeatures(BenchShape shape) {
        int c = shape.c();
        long perFeature = shape.elements() / c;
        int count = Math.clamp(CHECKED_ELEMENTS / perFeature, Math.min(2, c), c);
        return count == 1
                ? new int[] {0}
                : IntStream.range(0, count)
                        .map(i -> (int) ((long) i * (c - 1) / (count - 1)))
                        .toArray();
    }

    private static float[] gather(float[] perFeature, int[] features) {
        float[] gathered = new float[features.length];
        for (int j = 0; j < features.length; j++) {
            gathered[j] = perFeature[features[j]];
        }
        return gathered;
    }

    /** The batch of those features alone, in the same layout. */
    private static float[] gather(float[] batch, BenchShape shape, int[] features) {
        int c = shape.c();
        if (features.length == c || batch.length == 0) {
            return batch;
        }
        // Runs of one feature: the spatial positions of a sample, or one value where the features are contiguous.
        int run = shape.batchShape().featuresContiguous()
                ? 1
                : Math.toIntExact(shape.batchShape().spatial());
        int rows = batch.length / (c * run);
        float[] gathered = new float[rows * features.length * run];
        for (int row = 0; row < rows; row++) {
            for (int j = 0; j < features.length; j++) {
                System.arraycopy(
                        batch, (row * c + features[j]) * run, gathered, (row * features.length + j) * run, run);
            }
        }
        return gathered;
    }
}

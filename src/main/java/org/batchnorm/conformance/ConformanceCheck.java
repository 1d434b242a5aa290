package org.batchnorm.conformance;

import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.function.UnaryOperator;
import org.batchnorm.BatchNorm;
import org.batchnorm.BatchNormBuilder;
import org.batchnorm.SavedStatistics;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.state.Tensor;
import org.jspecify.annotations.Nullable;

/** Runs conformance cases on the public layer and checks every quantity with {@link ErrorBound}. */
public final class ConformanceCheck {
    private ConformanceCheck() {}

    /**
     * Runs a case on a backend.
     *
     * @param backend its name, as {@link BatchNormBuilder#backend(String)} takes it
     * @throws IllegalArgumentException if no backend has that name
     * @throws org.batchnorm.spi.BackendUnavailableException if it cannot be used here
     */
    public static CaseResult run(ConformanceCase conformanceCase, String backend) {
        return run(conformanceCase, builder -> builder.backend(backend));
    }

    /**
     * Runs a case on a layer whose backend, threads and device {@code choice} sets.
     *
     * @throws IllegalArgumentException if no backend or device has the chosen name
     * @throws org.batchnorm.spi.BackendUnavailableException if the chosen backend cannot be used here
     */
    public static CaseResult run(ConformanceCase conformanceCase, UnaryOperator<BatchNormBuilder> choice) {
        try (BatchNorm layer =
                choice.apply(BatchNorm.builder(conformanceCase.config())).build()) {
            try {
                return new CaseResult(conformanceCase.name(), layer.backendName(), run(conformanceCase, layer), "");
            } catch (IllegalArgumentException | IllegalStateException e) {
                return new CaseResult(conformanceCase.name(), layer.backendName(), List.of(), e.toString());
            }
        }
    }

    private static List<QuantityResult> run(ConformanceCase conformanceCase, BatchNorm layer) {
        Map<Quantity, float[]> actual = compute(conformanceCase, layer);
        Map<Quantity, double[]> rounded = rounded(conformanceCase);
        List<QuantityResult> results = new ArrayList<>();
        for (Quantity quantity : Quantity.values()) {
            Tensor expected = conformanceCase.expected(quantity).orElse(null);
            if (expected == null) {
                continue;
            }
            if (quantity == Quantity.NUM_BATCHES_TRACKED) {
                results.add(checkCount(layer.numBatchesTracked(), expected.longs()[0]));
                continue;
            }
            double[] values = expected.doubles();
            boolean hasTypeOfX = quantity == Quantity.Y || quantity == Quantity.DX;
            results.add(ErrorBound.check(
                    quantity,
                    hasTypeOfX ? conformanceCase.type() : ElementType.FLOAT32,
                    actual.getOrDefault(quantity, new float[0]),
                    values,
                    rounded.getOrDefault(quantity, Rounded.nothing(values.length)),
                    conformanceCase.pytorchError(quantity)));
        }
        return results;
    }

    /** Everything that the layer computes but the count. */
    private static Map<Quantity, float[]> compute(ConformanceCase conformanceCase, BatchNorm layer) {
        layer.loadState(state(conformanceCase, layer));
        if (conformanceCase.mode() == ConformanceCase.Mode.INFERENCE) {
            layer.eval();
        }
        Map<Quantity, float[]> actual = new EnumMap<>(Quantity.class);
        BatchShape shape = conformanceCase.shape();
        ElementType type = conformanceCase.type();
        float[] zeros = new float[(int) shape.elements()];
        Batch x = batch(conformanceCase.x(), type, shape);
        Batch y = batch(zeros, type, shape);
        SavedStatistics saved = new SavedStatistics(conformanceCase.config().features());
        layer.forward(x, y, saved);
        actual.put(Quantity.Y, floats(y));
        actual.put(Quantity.MEAN, saved.mean());
        actual.put(Quantity.RSTD, saved.rstd());
        if (layer.config().trackRunningStatistics()) {
            actual.put(Quantity.RUNNING_MEAN, layer.runningMean());
            actual.put(Quantity.RUNNING_VAR, layer.runningVar());
        }
        conformanceCase.dy().ifPresent(dy -> {
            Batch dx = batch(zeros, type, shape);
            layer.backward(x, batch(dy, conformanceCase.typeOfGradient(), shape), dx, saved);
            actual.put(Quantity.DX, floats(dx));
        });
        if (layer.config().affine()) {
            actual.put(Quantity.DWEIGHT, layer.weightGradient());
            actual.put(Quantity.DBIAS, layer.biasGradient());
        }
        return actual;
    }

    private static Batch batch(float[] values, ElementType type, BatchShape shape) {
        Batch batch = type.is16Bit()
                ? Batch.of(new short[values.length], type, shape)
                : Batch.of(new float[values.length], shape);
        batch.copyFrom(values, 0, 0, values.length);
        return batch;
    }

    private static float[] floats(Batch batch) {
        float[] values = new float[(int) batch.shape().elements()];
        batch.copyTo(0, values, 0, values.length);
        return values;
    }

    /** What is {@link Rounded} on the way to the quantities of a case; where nothing is, the quantity is left out. */
    private static Map<Quantity, double[]> rounded(ConformanceCase conformanceCase) {
        Map<Quantity, double[]> rounded = new EnumMap<>(Quantity.class);
        BatchShape shape = conformanceCase.shape();
        double eps = conformanceCase.config().eps();
        double[] x = Reference.widen(conformanceCase.x());
        boolean training = conformanceCase.mode() == ConformanceCase.Mode.TRAINING;
        Reference.Statistics batch = Reference.statistics(shape, x, eps);
        Reference.Statistics given = training ? null : runningStatistics(conformanceCase);
        if (given == null) {
            rounded.put(Quantity.MEAN, Rounded.mean(shape, batch.variance()));
        }
        if (training) {
            rounded.put(
                    Quantity.RUNNING_MEAN, Rounded.runningMean(shape, batch.variance(), shareOfBatch(conformanceCase)));
        }
        Reference.Statistics used = given == null ? batch : given;
        conformanceCase.dy().map(Reference::widen).ifPresent(dy -> {
            Reference.Gradients gradients = Rounded.gradients(
                    shape, x, dy, widened(conformanceCase, "weight"), used.mean(), used.rstd(), given == null);
            rounded.put(Quantity.DX, gradients.dx());
            rounded.put(Quantity.DWEIGHT, gradients.dgamma());
            rounded.put(Quantity.DBIAS, gradients.dbeta());
        });
        return rounded;
    }

    /** The running statistics before the forward; null if the case has none. */
    private static Reference.@Nullable Statistics runningStatistics(ConformanceCase conformanceCase) {
        double[] mean = widened(conformanceCase, "running_mean");
        double[] variance = widened(conformanceCase, "running_var");
        return mean == null || variance == null
                ? null
                : new Reference.Statistics(
                        mean,
                        variance,
                        Reference.rstd(variance, conformanceCase.config().eps()));
    }

    /** The momentum; of a cumulative average, 1 over the number of batches. */
    private static double shareOfBatch(ConformanceCase conformanceCase) {
        long before = conformanceCase
                .state("num_batches_tracked")
                .map(count -> count.longs()[0])
                .orElse(0L);
        return conformanceCase.config().momentum().orElse(1.0 / (before + 1));
    }

    private static double @Nullable [] widened(ConformanceCase conformanceCase, String tensorName) {
        return conformanceCase
                .state(tensorName)
                .map(Tensor::floats)
                .map(Reference::widen)
                .orElse(null);
    }

    private static Map<String, Tensor> state(ConformanceCase conformanceCase, BatchNorm layer) {
        Map<String, Tensor> state = new LinkedHashMap<>(layer.state());
        state.replaceAll((name, initial) -> conformanceCase.state(name).orElse(initial));
        return state;
    }

    private static QuantityResult checkCount(long actual, long expected) {
        boolean pass = actual == expected;
        String message =
                pass ? "" : Quantity.NUM_BATCHES_TRACKED.tensorName() + ": is " + actual + ", must be " + expected;
        return new QuantityResult(
                Quantity.NUM_BATCHES_TRACKED,
                Math.abs((double) actual - expected),
                OptionalDouble.empty(),
                0,
                pass,
                message);
    }
}

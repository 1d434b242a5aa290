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
import org.batchnorm.spi.ElementTypeRefusedException;
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
     * Runs a case on a layer whose backend, threads and device {@code choice} sets. A backend that does not take the
     * case's element type is a result, too: {@link CaseResult#refused()}.
     *
     * @throws IllegalArgumentException if no backend or device has the chosen name
     * @throws org.batchnorm.spi.BackendUnavailableException if the chosen backend cannot be used here
     */
    public static CaseResult run(ConformanceCase conformanceCase, UnaryOperator<BatchNormBuilder> choice) {
        String name = conformanceCase.name();
        try (BatchNorm layer =
                choice.apply(BatchNorm.builder(conformanceCase.config())).build()) {
            try {
                return new CaseResult(name, layer.backendName(), run(conformanceCase, layer), "");
            } catch (ElementTypeRefusedException e) {
                return refused(name, layer.backendName(), e);
            } catch (IllegalArgumentException | IllegalStateException e) {
                return new CaseResult(name, layer.backendName(), List.of(), e.toString());
            }
        } catch (ElementTypeRefusedException e) {
            // A whole layer may be of a type that the backend does not take; then there is none to ask for its name.
            return refused(name, "", e);
        }
    }

    private static CaseResult refused(String caseName, String backend, ElementTypeRefusedException reason) {
        return new CaseResult(caseName, backend, List.of(), String.valueOf(reason.getMessage()), true);
    }

    private static List<QuantityResult> run(ConformanceCase conformanceCase, BatchNorm layer) {
        Map<Quantity, double[]> actual = compute(conformanceCase, layer);
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
                    hasTypeOfX ? conformanceCase.type() : layer.config().elementType(),
                    actual.getOrDefault(quantity, new double[0]),
                    values,
                    rounded.getOrDefault(quantity, Rounded.nothing(values.length)),
                    conformanceCase.pytorchError(quantity)));
        }
        return results;
    }

    /** Everything that the layer computes but the count. */
    private static Map<Quantity, double[]> compute(ConformanceCase conformanceCase, BatchNorm layer) {
        layer.loadState(state(conformanceCase, layer));
        if (conformanceCase.mode() == ConformanceCase.Mode.INFERENCE) {
            layer.eval();
        }
        Map<Quantity, double[]> actual = new EnumMap<>(Quantity.class);
        BatchShape shape = conformanceCase.shape();
        ElementType type = conformanceCase.type();
        double[] zeros = new double[(int) shape.elements()];
        Batch x = batch(conformanceCase.doubleX(), type, shape);
        Batch y = batch(zeros, type, shape);
        SavedStatistics saved = new SavedStatistics(conformanceCase.config().features());
        layer.forward(x, y, saved);
        actual.put(Quantity.Y, values(y));
        boolean inDouble = type == ElementType.FLOAT64;
        actual.put(Quantity.MEAN, inDouble ? saved.doubleMean() : Reference.widen(saved.mean()));
        actual.put(Quantity.RSTD, inDouble ? saved.doubleRstd() : Reference.widen(saved.rstd()));
        if (layer.config().trackRunningStatistics()) {
            actual.put(
                    Quantity.RUNNING_MEAN, inDouble ? layer.doubleRunningMean() : Reference.widen(layer.runningMean()));
            actual.put(Quantity.RUNNING_VAR, inDouble ? layer.doubleRunningVar() : Reference.widen(layer.runningVar()));
        }
        conformanceCase.doubleDy().ifPresent(dy -> {
            Batch dx = batch(zeros, type, shape);
            layer.backward(x, batch(dy, conformanceCase.typeOfGradient(), shape), dx, saved);
            actual.put(Quantity.DX, values(dx));
        });
        if (layer.config().affine()) {
            actual.put(
                    Quantity.DWEIGHT,
                    inDouble ? layer.doubleWeightGradient() : Reference.widen(layer.weightGradient()));
            actual.put(Quantity.DBIAS, inDouble ? layer.doubleBiasGradient() : Reference.widen(layer.biasGradient()));
        }
        return actual;
    }

    private static Batch batch(double[] values, ElementType type, BatchShape shape) {
        if (type == ElementType.FLOAT64) {
            return Batch.of(values.clone(), shape);
        }
        Batch batch = type.is16Bit()
                ? Batch.of(new short[values.length], type, shape)
                : Batch.of(new float[values.length], shape);
        float[] narrow = new float[values.length];
        for (int i = 0; i < narrow.length; i++) {
            narrow[i] = (float) values[i];
        }
        batch.copyFrom(narrow, 0, 0, narrow.length);
        return batch;
    }

    private static double[] values(Batch batch) {
        if (batch.type() == ElementType.FLOAT64) {
            return batch.doubles();
        }
        float[] values = new float[(int) batch.shape().elements()];
        batch.copyTo(0, values, 0, values.length);
        return Reference.widen(values);
    }

    /** What is {@link Rounded} on the way to the quantities of a case; where nothing is, the quantity is left out. */
    private static Map<Quantity, double[]> rounded(ConformanceCase conformanceCase) {
        Map<Quantity, double[]> rounded = new EnumMap<>(Quantity.class);
        BatchShape shape = conformanceCase.shape();
        double eps = conformanceCase.config().eps();
        double[] x = conformanceCase.doubleX();
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
        conformanceCase.doubleDy().ifPresent(dy -> {
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
        return conformanceCase.state(tensorName).map(Tensor::doubles).orElse(null);
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

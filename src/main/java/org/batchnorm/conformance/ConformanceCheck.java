package org.batchnorm.conformance;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.function.UnaryOperator;
import org.batchnorm.BatchNorm;
import org.batchnorm.BatchNormBuilder;
import org.batchnorm.SavedStatistics;
import org.batchnorm.state.Tensor;

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
        layer.loadState(state(conformanceCase, layer));
        if (conformanceCase.mode() == ConformanceCase.Mode.INFERENCE) {
            layer.eval();
        }
        float[] x = conformanceCase.x();
        float[] y = new float[x.length];
        SavedStatistics saved = new SavedStatistics(conformanceCase.config().features());
        layer.forward(x, y, conformanceCase.shape(), saved);
        float[] mean = saved.mean();
        float[] rstd = saved.rstd();
        Optional<float[]> dy = conformanceCase.dy();
        float[] dx = new float[x.length];
        if (dy.isPresent()) {
            layer.backward(x, dy.get(), dx, conformanceCase.shape(), saved);
        }
        List<QuantityResult> results = new ArrayList<>();
        for (Quantity quantity : Quantity.values()) {
            Optional<Tensor> expected = conformanceCase.expected(quantity);
            if (expected.isPresent()) {
                OptionalDouble pytorchError = conformanceCase.pytorchError(quantity);
                results.add(
                        switch (quantity) {
                            case Y -> check(quantity, y, expected.get(), pytorchError);
                            case DX -> check(quantity, dx, expected.get(), pytorchError);
                            case DWEIGHT -> check(quantity, layer.weightGradient(), expected.get(), pytorchError);
                            case DBIAS -> check(quantity, layer.biasGradient(), expected.get(), pytorchError);
                            case MEAN -> check(quantity, mean, expected.get(), pytorchError);
                            case RSTD -> check(quantity, rstd, expected.get(), pytorchError);
                            case RUNNING_MEAN -> check(quantity, layer.runningMean(), expected.get(), pytorchError);
                            case RUNNING_VAR -> check(quantity, layer.runningVar(), expected.get(), pytorchError);
                            case NUM_BATCHES_TRACKED ->
                                checkCount(
                                        layer.numBatchesTracked(),
                                        expected.get().longs()[0]);
                        });
            }
        }
        return results;
    }

    private static Map<String, Tensor> state(ConformanceCase conformanceCase, BatchNorm layer) {
        Map<String, Tensor> state = new LinkedHashMap<>(layer.state());
        state.replaceAll((name, initial) -> conformanceCase.state(name).orElse(initial));
        return state;
    }

    private static QuantityResult check(
            Quantity quantity, float[] actual, Tensor expected, OptionalDouble pytorchError) {
        return ErrorBound.check(quantity, actual, expected.doubles(), pytorchError);
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

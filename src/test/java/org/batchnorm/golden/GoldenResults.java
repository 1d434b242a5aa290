package org.batchnorm.golden;

import java.util.LinkedHashMap;
import java.util.Map;
import org.batchnorm.LayerCalls;
import org.batchnorm.LayerCalls.Kind;
import org.batchnorm.LayerCalls.Values;
import org.batchnorm.conformance.Reference;

/** All operations on the inputs of a case: by a layer, and in double precision. */
final class GoldenResults {
    /** An operation and one of the quantities that it gives. */
    record Key(String operation, String quantity) {}

    private static final Key FORWARD_Y = new Key("forward", "y");
    private static final Key FORWARD_MEAN = new Key("forward", "mean");
    private static final Key FORWARD_RSTD = new Key("forward", "rstd");
    private static final Key FORWARD_RUNNING_MEAN = new Key("forward", "running_mean");
    private static final Key FORWARD_RUNNING_VAR = new Key("forward", "running_var");
    private static final Key BACKWARD_DX = new Key("backward", "dx");
    private static final Key BACKWARD_DGAMMA = new Key("backward", "dgamma");
    private static final Key BACKWARD_DBETA = new Key("backward", "dbeta");
    private static final Key COLLECTED_MEAN = new Key("collectStatistics", "running_mean");
    private static final Key COLLECTED_VAR = new Key("collectStatistics", "running_var");
    private static final Key INFERENCE_Y = new Key("inference", "y");
    private static final Key FROZEN_FORWARD_Y = new Key("frozenForward", "y");
    private static final Key FROZEN_BACKWARD_DX = new Key("frozenBackward", "dx");
    private static final Key FROZEN_BACKWARD_DGAMMA = new Key("frozenBackward", "dgamma");
    private static final Key FROZEN_BACKWARD_DBETA = new Key("frozenBackward", "dbeta");

    private GoldenResults() {}

    /** What a layer gives. */
    static Map<Key, float[]> of(GoldenInputs inputs, String backend, Kind kind, int threads) {
        Map<Key, float[]> results = new LinkedHashMap<>();
        try (LayerCalls layer = new LayerCalls(backend, threads, inputs.shape)) {
            Values x = layer.values(kind, inputs.x);
            Values dy = layer.values(kind, inputs.dy);
            Values out = layer.values(kind, new float[inputs.x.length]);

            reset(layer, inputs);
            layer.train();
            layer.forward(x, out);
            results.put(FORWARD_Y, out.copy());
            results.put(FORWARD_MEAN, layer.mean());
            results.put(FORWARD_RSTD, layer.rstd());
            results.put(FORWARD_RUNNING_MEAN, layer.runningMean());
            results.put(FORWARD_RUNNING_VAR, layer.runningVar());
            layer.backward(x, dy, out);
            results.put(BACKWARD_DX, out.copy());
            results.put(BACKWARD_DGAMMA, layer.dgamma());
            results.put(BACKWARD_DBETA, layer.dbeta());

            reset(layer, inputs);
            layer.collect();
            layer.forward(x, out);
            results.put(COLLECTED_MEAN, layer.runningMean());
            results.put(COLLECTED_VAR, layer.runningVar());

            reset(layer, inputs);
            layer.infer();
            layer.forwardAlone(x, out);
            results.put(INFERENCE_Y, out.copy());

            layer.freeze();
            layer.forward(x, out);
            results.put(FROZEN_FORWARD_Y, out.copy());
            layer.backward(x, dy, out);
            results.put(FROZEN_BACKWARD_DX, out.copy());
            results.put(FROZEN_BACKWARD_DGAMMA, layer.dgamma());
            results.put(FROZEN_BACKWARD_DBETA, layer.dbeta());
        }
        return results;
    }

    private static void reset(LayerCalls layer, GoldenInputs inputs) {
        layer.set(inputs.gamma, inputs.beta, inputs.runningMean, inputs.runningVar);
    }

    /** What is expected, in double precision. */
    static Map<Key, double[]> expected(GoldenInputs inputs) {
        var shape = inputs.shape.batchShape();
        double[] x = Reference.widen(inputs.x);
        double[] dy = Reference.widen(inputs.dy);
        double[] gamma = Reference.widen(inputs.gamma);
        double[] beta = Reference.widen(inputs.beta);
        double[] oldMean = Reference.widen(inputs.runningMean);
        double[] oldVar = Reference.widen(inputs.runningVar);
        double[] oldRstd = Reference.rstd(oldVar, LayerCalls.EPS);

        Reference.Statistics batch = Reference.statistics(shape, x, LayerCalls.EPS);
        double[] mean = Reference.updateRunning(oldMean, batch.mean(), LayerCalls.MOMENTUM);
        double[] unbiased = Reference.unbiased(batch.variance(), inputs.shape.valuesPerFeature());
        double[] var = Reference.updateRunning(oldVar, unbiased, LayerCalls.MOMENTUM);
        Reference.Gradients gradients = Reference.backward(shape, x, dy, gamma, batch.mean(), batch.rstd(), true);
        Reference.Gradients frozen = Reference.backward(shape, x, dy, gamma, oldMean, oldRstd, false);
        double[] inferred = Reference.transform(shape, x, gamma, beta, oldMean, oldRstd);

        Map<Key, double[]> expected = new LinkedHashMap<>();
        expected.put(FORWARD_Y, Reference.transform(shape, x, gamma, beta, batch.mean(), batch.rstd()));
        expected.put(FORWARD_MEAN, batch.mean());
        expected.put(FORWARD_RSTD, batch.rstd());
        expected.put(FORWARD_RUNNING_MEAN, mean);
        expected.put(FORWARD_RUNNING_VAR, var);
        expected.put(BACKWARD_DX, gradients.dx());
        expected.put(BACKWARD_DGAMMA, gradients.dgamma());
        expected.put(BACKWARD_DBETA, gradients.dbeta());
        expected.put(COLLECTED_MEAN, mean);
        expected.put(COLLECTED_VAR, var);
        expected.put(INFERENCE_Y, inferred);
        expected.put(FROZEN_FORWARD_Y, inferred);
        expected.put(FROZEN_BACKWARD_DX, frozen.dx());
        expected.put(FROZEN_BACKWARD_DGAMMA, frozen.dgamma());
        expected.put(FROZEN_BACKWARD_DBETA, frozen.dbeta());
        return expected;
    }

    /** A hash of the values' bits in their order. All NaN count as the same, as the processor may choose their bits. */
    static long hash(float[] values) {
        long hash = values.length;
        for (float value : values) {
            hash = (hash ^ Float.floatToIntBits(value)) * 0x9E3779B97F4A7C15L;
            hash ^= hash >>> 32;
        }
        return hash;
    }

    /**
     * The largest error in units of u · M, u = 2⁻²⁴, M the largest finite |expected|. It is huge where a value ought to
     * be finite and is not, or the other way round.
     */
    static double error(float[] actual, double[] expected) {
        double most = 0;
        double error = 0;
        for (int i = 0; i < actual.length; i++) {
            if (Double.isFinite(expected[i])) {
                most = Math.max(most, Math.abs(expected[i]));
                error = Math.max(
                        error, Float.isFinite(actual[i]) ? Math.abs(actual[i] - expected[i]) : Double.MAX_VALUE);
            } else if (Float.isFinite(actual[i]) || Float.isNaN(actual[i]) != Double.isNaN(expected[i])) {
                error = Double.MAX_VALUE;
            }
        }
        return error == 0 ? 0 : error / most / 0x1p-24;
    }
}

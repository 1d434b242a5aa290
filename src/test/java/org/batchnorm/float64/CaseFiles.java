package org.batchnorm.float64;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.stream.Collectors;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.data.Layout;

/**
 * The conformance files of 16-bit types and of float64: random values of the type, and what follows from them in 60
 * decimal digits, each rounded once to float64. A y or dx that float16 does not hold is the infinity that it becomes.
 * No PyTorch's error in float32 is in them.
 *
 * <p>To write them anew, from the folder {@code src}: {@code java … org.batchnorm.float64.CaseFiles
 * test/resources/org/batchnorm/conformance}.
 */
final class CaseFiles {
    private static final float LARGEST_FLOAT16 = 65504;

    private CaseFiles() {}

    /**
     * What a file is made of.
     *
     * @param type of x, y and dx
     * @param typeOfGradient that of dy
     * @param inputs in any precision; what is not float64 is rounded first
     * @param momentum null: the cumulative average
     */
    private record Case(
            String name,
            ElementType type,
            ElementType typeOfGradient,
            String extents,
            Inputs inputs,
            Double momentum,
            long batches) {}

    /** Writes them into a folder. */
    public static void main(String[] arguments) throws IOException {
        for (Map.Entry<String, byte[]> file : all().entrySet()) {
            Files.write(Path.of(arguments[0], file.getKey() + ".safetensors"), file.getValue());
        }
    }

    /** The bytes of each, by its name. */
    static SequencedMap<String, byte[]> all() {
        SequencedMap<String, byte[]> files = new LinkedHashMap<>();
        for (Case each : cases()) {
            files.put(each.name, new Writer(each).bytes());
        }
        return files;
    }

    private static List<Case> cases() {
        ElementType half = ElementType.FLOAT16;
        ElementType brain = ElementType.BFLOAT16;
        ElementType wide = ElementType.FLOAT64;
        List<Case> cases = new ArrayList<>();
        Inputs flat = Inputs.random(BatchShape.of(16, 10), 101).withGivenStatistics(201);
        cases.add(new Case("bf16_eval_n16_c10", brain, brain, "[16,10]", flat, 0.1, 7));
        Inputs image = Inputs.random(BatchShape.channelsLast(2, 9, 5, 6), 102, 3, 1);
        cases.add(new Case(
                "bf16_train_nhwc_2_5_6_9", brain, ElementType.FLOAT32, "[2,5,6,9]", image.withEps(1e-3), 0.1, 0));
        Inputs inference =
                Inputs.random(BatchShape.channelsLast(2, 7, 4, 5), 103).withGivenStatistics(203);
        cases.add(new Case("f16_eval_nhwc_2_4_5_7", half, half, "[2,4,5,7]", inference, 0.1, 0));
        cases.add(new Case(
                "f16_train_n32_c12", half, half, "[32,12]", Inputs.random(BatchShape.of(32, 12), 104, 3, 1), 0.3, 2));
        Inputs large = scaled(Inputs.random(BatchShape.channelsFirst(3, 4, 5, 5), 105, 0, 3e3), 4e4, 100);
        cases.add(new Case("f16_train_overflow_nchw_3_4_5_5", half, half, "[3,4,5,5]", large, 0.1, 0));
        Inputs small = scaled(Inputs.random(BatchShape.of(40, 6), 106, 0, 1e-5), 5e-6, 5e-5)
                .withEps(1e-12);
        cases.add(new Case("f16_train_subnormal_n40_c6", half, half, "[40,6]", small, 0.1, 0));
        Inputs series = Inputs.random(BatchShape.channelsFirst(3, 5, 11), 107).withGivenStatistics(207);
        cases.add(new Case("f64_eval_ncl_3_5_11", wide, wide, "[3,5,11]", series, 0.1, 4));
        cases.add(new Case(
                "f64_train_mean1e9_n24_c8",
                wide,
                wide,
                "[24,8]",
                Inputs.random(BatchShape.of(24, 8), 108, 1e9, 1),
                0.1,
                0));
        Inputs cumulative =
                Inputs.random(BatchShape.channelsLast(2, 6, 4, 5), 109).withoutParameters();
        cases.add(new Case("f64_train_nhwc_2_4_5_6", wide, wide, "[2,4,5,6]", cumulative, null, 3));
        return cases;
    }

    /** With other sizes of γ and β, and of dy. */
    private static Inputs scaled(Inputs in, double parameters, double gradient) {
        double[] gamma = in.gamma().clone();
        double[] beta = in.beta().clone();
        double[] dy = in.dy().clone();
        for (int c = 0; c < gamma.length; c++) {
            gamma[c] *= parameters;
            beta[c] *= parameters;
        }
        for (int i = 0; i < dy.length; i++) {
            dy[i] *= gradient;
        }
        return new Inputs(in.shape(), in.x(), dy, gamma, beta, null, null, null, in.eps(), in.activations());
    }

    /** The bytes of one file. */
    private static final class Writer {
        private final Case given;
        private final ElementType ofLayer;
        private final Map<String, String> tensors = new LinkedHashMap<>();
        private final ByteArrayOutputStream data = new ByteArrayOutputStream();

        Writer(Case given) {
            this.given = given;
            this.ofLayer = given.type == ElementType.FLOAT64 ? ElementType.FLOAT64 : ElementType.FLOAT32;
            Inputs any = given.inputs;
            int features = any.shape().c();
            String perFeature = "[" + features + "]";
            boolean training = any.ofBatch();
            double[] x = add("x", any.x(), given.type, given.extents);
            double[] dy = add("dy", any.dy(), given.typeOfGradient, given.extents);
            double[] gamma = any.gamma() == null ? null : add("weight", any.gamma(), ofLayer, perFeature);
            double[] beta = any.beta() == null ? null : add("bias", any.beta(), ofLayer, perFeature);
            double[] mean = add("running_mean", training ? filled(features, 0.25) : any.mean(), ofLayer, perFeature);
            double[] variance =
                    add("running_var", training ? filled(features, 1.5) : any.variance(), ofLayer, perFeature);
            addCount("num_batches_tracked", given.batches);

            Inputs rounded = new Inputs(
                    any.shape(),
                    x,
                    dy,
                    gamma,
                    beta,
                    null,
                    training ? null : mean,
                    training ? null : variance,
                    any.eps(),
                    any.activations());
            Outputs exact = new Exact(rounded).rounded();
            addExpected("y", stored(exact.y), given.extents);
            addExpected("dx", stored(exact.dx), given.extents);
            if (gamma != null) {
                addExpected("dweight", exact.dgamma, perFeature);
                addExpected("dbias", exact.dbeta, perFeature);
            }
            addExpected("mean", exact.mean, perFeature);
            addExpected("rstd", exact.rstd, perFeature);
            addRunning(exact, mean, variance, perFeature);
            addCount("expected.num_batches_tracked", given.batches + (training ? 1 : 0));
        }

        private void addRunning(Outputs exact, double[] mean, double[] variance, String perFeature) {
            double m = given.inputs.shape().valuesPerFeature();
            double share = given.momentum == null ? 1.0 / (given.batches + 1) : given.momentum;
            double[] newMean = mean.clone();
            double[] newVariance = variance.clone();
            for (int c = 0; given.inputs.ofBatch() && c < mean.length; c++) {
                newMean[c] += share * (exact.mean[c] - mean[c]);
                newVariance[c] += share * (exact.variance[c] * m / (m - 1) - variance[c]);
            }
            addExpected("running_mean", newMean, perFeature);
            addExpected("running_var", newVariance, perFeature);
        }

        /** What float16 holds no number for is an infinity. */
        private double[] stored(double[] exact) {
            double[] stored = exact.clone();
            for (int i = 0; i < stored.length; i++) {
                float nearest = given.type == ElementType.FLOAT16
                        ? Float.float16ToFloat(Float.floatToFloat16((float) exact[i]))
                        : 0;
                if (Float.isInfinite(nearest)) {
                    stored[i] = nearest;
                }
            }
            return stored;
        }

        /** Returns the values as the type has them. */
        private double[] add(String name, double[] values, ElementType type, String extents) {
            ByteBuffer bytes = ByteBuffer.allocate(values.length * type.bytes()).order(ByteOrder.LITTLE_ENDIAN);
            double[] rounded = values.clone();
            for (int i = 0; i < values.length; i++) {
                float narrow = (float) values[i];
                switch (type) {
                    case FLOAT64 -> bytes.putDouble(values[i]);
                    case FLOAT32 -> bytes.putFloat(narrow);
                    case FLOAT16, BFLOAT16 -> bytes.putShort(type.toBits(narrow));
                }
                if (type != ElementType.FLOAT64) {
                    rounded[i] = type.is16Bit() ? type.toFloat(type.toBits(narrow)) : narrow;
                }
                if (type == ElementType.FLOAT16 && Math.abs(narrow) > LARGEST_FLOAT16) {
                    throw new IllegalArgumentException(given.name + ": " + name + " has " + narrow);
                }
            }
            String dtype = switch (type) {
                case FLOAT64 -> "F64";
                case FLOAT32 -> "F32";
                case FLOAT16 -> "F16";
                case BFLOAT16 -> "BF16";
            };
            add(name, dtype, extents, bytes.array());
            return rounded;
        }

        private void addExpected(String name, double[] values, String extents) {
            add("expected." + name, values, ElementType.FLOAT64, extents);
        }

        private void addCount(String name, long count) {
            byte[] bytes = ByteBuffer.allocate(Long.BYTES)
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putLong(count)
                    .array();
            add(name, "I64", "[]", bytes);
        }

        private void add(String name, String dtype, String extents, byte[] bytes) {
            int from = data.size();
            data.writeBytes(bytes);
            tensors.put(
                    name,
                    "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + extents + ",\"data_offsets\":[" + from
                            + "," + data.size() + "]}");
        }

        byte[] bytes() {
            Map<String, String> metadata = new LinkedHashMap<>();
            metadata.put("format", "batchnorm-case");
            metadata.put("version", "1");
            metadata.put("mode", given.inputs.ofBatch() ? "training" : "inference");
            boolean last = given.inputs.shape().layout() == Layout.CHANNELS_LAST;
            metadata.put("layout", last ? "channels_last" : "channels_first");
            metadata.put("eps", String.valueOf(given.inputs.eps()));
            metadata.put("momentum", given.momentum == null ? "none" : String.valueOf(given.momentum));
            String texts = metadata.entrySet().stream()
                    .map(text -> "\"" + text.getKey() + "\":\"" + text.getValue() + "\"")
                    .collect(Collectors.joining(","));
            StringBuilder header =
                    new StringBuilder("{\"__metadata__\":{" + texts + "}," + String.join(",", tensors.values()) + "}");
            // As the format advises, data begin at a multiple of 8 bytes.
            while (header.length() % Long.BYTES != 0) {
                header.append(' ');
            }
            byte[] text = header.toString().getBytes(StandardCharsets.UTF_8);
            return ByteBuffer.allocate(Long.BYTES + text.length + data.size())
                    .order(ByteOrder.LITTLE_ENDIAN)
                    .putLong(text.length)
                    .put(text)
                    .put(data.toByteArray())
                    .array();
        }

        private static double[] filled(int length, double value) {
            double[] values = new double[length];
            Arrays.fill(values, value);
            return values;
        }
    }
}

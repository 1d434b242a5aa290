package org.batchnorm.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import org.batchnorm.Values;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.state.SafetensorsException;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Conformance files whose x, dy, y and dx have 16 bits. */
class SixteenBitCasesTest {
    private static final double EPS = 1e-5;
    private static final BatchShape SHAPE = BatchShape.channelsFirst(4, 3, 5, 7);
    private static final String DATA_SHAPE = "[4,3,5,7]";

    @TempDir
    Path folder;

    private final Map<String, String> types = new LinkedHashMap<>();
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

    @ParameterizedTest
    @EnumSource(names = {"FLOAT16", "BFLOAT16"})
    void passesOnEveryBackend(ElementType type) throws IOException {
        ConformanceCase given = ConformanceCase.read(file(type, type, 0));
        assertThat(given.type()).isEqualTo(type);
        assertThat(given.typeOfGradient()).isEqualTo(type);
        for (String backend : new String[] {"vector", "scalar"}) {
            CaseResult result = ConformanceCheck.run(given, backend);
            assertThat(result.message()).isEmpty();
            assertThat(result.quantities())
                    .extracting(QuantityResult::quantity)
                    .containsExactly(Quantity.Y, Quantity.DX, Quantity.DWEIGHT, Quantity.DBIAS);
        }
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT16", "BFLOAT16"})
    void failsWhereMoreThanHalfAUnitIsLost(ElementType type) throws IOException {
        double aUnitOfTheLargest = type == ElementType.FLOAT16 ? 0x1p-9 : 0x1p-6;
        CaseResult result = ConformanceCheck.run(ConformanceCase.read(file(type, type, aUnitOfTheLargest)), "vector");
        assertThat(result.pass()).isFalse();
        assertThat(result.message()).startsWith("y: ").doesNotContain("dx");
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "FLOAT16", "BFLOAT16"})
    void dyHasATypeOfItsOwn(ElementType type) throws IOException {
        ConformanceCase given = ConformanceCase.read(file(ElementType.BFLOAT16, type, 0));
        assertThat(given.typeOfGradient()).isEqualTo(type);
        assertThat(ConformanceCheck.run(given, "vector").message()).isEmpty();
        assertThat(ConformanceCheck.run(given, "scalar").message()).isEmpty();
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT16"})
    void otherTypesAreRefused(ElementType type) throws IOException {
        Path good = file(type, type, 0);
        String text = Files.readString(good, StandardCharsets.ISO_8859_1).replaceFirst("F16", "I16");
        Path bad = Files.writeString(folder.resolve("bad.safetensors"), text, StandardCharsets.ISO_8859_1);
        assertThatThrownBy(() -> ConformanceCase.read(bad))
                .isInstanceOf(SafetensorsException.class)
                .hasMessageContaining("tensor \"x\" is I16")
                .hasMessageContaining("must be F32");
    }

    /** A case whose expected y is moved by so much. */
    private Path file(ElementType type, ElementType typeOfGradient, double move) throws IOException {
        Values random = Values.random(SHAPE, 1, 0.5, 1);
        float[] x = add("x", random.x(), type);
        float[] dy = add("dy", random.dy(), typeOfGradient);
        add("weight", random.weight());
        add("bias", random.bias());
        double[] wide = Reference.widen(x);
        double[] gamma = Reference.widen(random.weight());
        double[] beta = Reference.widen(random.bias());
        Reference.Statistics statistics = Reference.statistics(SHAPE, wide, EPS);
        double[] y = Reference.transform(SHAPE, wide, gamma, beta, statistics.mean(), statistics.rstd());
        for (int i = 0; i < y.length; i++) {
            y[i] += move;
        }
        add("expected.y", y, DATA_SHAPE);
        Reference.Gradients gradients =
                Reference.backward(SHAPE, wide, Reference.widen(dy), gamma, statistics.mean(), statistics.rstd(), true);
        add("expected.dx", gradients.dx(), DATA_SHAPE);
        add("expected.dweight", gradients.dgamma(), "[3]");
        add("expected.dbias", gradients.dbeta(), "[3]");
        return write();
    }

    /** Returns the values as the type has them. */
    private float[] add(String name, float[] values, ElementType type) {
        ByteBuffer data = ByteBuffer.allocate(values.length * type.bytes()).order(ByteOrder.LITTLE_ENDIAN);
        float[] rounded = values.clone();
        for (int i = 0; i < values.length; i++) {
            if (type.is16Bit()) {
                data.putShort(type.toBits(values[i]));
                rounded[i] = type.toFloat(type.toBits(values[i]));
            } else {
                data.putFloat(values[i]);
            }
        }
        String dtype = type == ElementType.FLOAT32 ? "F32" : type == ElementType.FLOAT16 ? "F16" : "BF16";
        add(name, dtype, DATA_SHAPE, data.array());
        return rounded;
    }

    private void add(String name, float[] values) {
        ByteBuffer data = ByteBuffer.allocate(values.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (float value : values) {
            data.putFloat(value);
        }
        add(name, "F32", "[3]", data.array());
    }

    private void add(String name, double[] values, String shape) {
        ByteBuffer data = ByteBuffer.allocate(values.length * Double.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        for (double value : values) {
            data.putDouble(value);
        }
        add(name, "F64", shape, data.array());
    }

    private void add(String name, String dtype, String shape, byte[] data) {
        int from = bytes.size();
        bytes.writeBytes(data);
        types.put(
                name,
                "\"" + name + "\":{\"dtype\":\"" + dtype + "\",\"shape\":" + shape + ",\"data_offsets\":[" + from + ","
                        + bytes.size() + "]}");
    }

    private Path write() throws IOException {
        String header = "{\"__metadata__\":{\"format\":\"batchnorm-case\",\"version\":\"1\",\"mode\":\"training\","
                + "\"layout\":\"channels_first\",\"eps\":\"1e-05\",\"momentum\":\"0.1\"},"
                + String.join(",", types.values()) + "}";
        byte[] text = header.getBytes(StandardCharsets.UTF_8);
        ByteBuffer file =
                ByteBuffer.allocate(Long.BYTES + text.length + bytes.size()).order(ByteOrder.LITTLE_ENDIAN);
        file.putLong(text.length).put(text).put(bytes.toByteArray());
        return Files.write(folder.resolve("case.safetensors"), file.array());
    }
}

package org.batchnorm.cpu;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.lang.classfile.ClassFile;
import java.lang.classfile.MethodModel;
import java.lang.classfile.instruction.InvokeInstruction;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the compiler needs of the vector kernels, as {@link VectorMemory} tells. */
class VectorKernelsTest {
    private static final Set<String> VECTORS =
            Set.of("jdk/incubator/vector/FloatVector", "jdk/incubator/vector/DoubleVector");

    /** Those that are static, or each shape's own, or ask nothing but the vector's shape. */
    private static final Set<String> ALLOWED = Set.of(
            "zero",
            "broadcast",
            "fromArray",
            "intoArray",
            "fromMemorySegment",
            "intoMemorySegment",
            "convertShape",
            "lanewise");

    @ParameterizedTest
    @ValueSource(
            classes = {
                VectorMemory.class,
                VectorCollectStatistics.class,
                VectorMergeStatistics.class,
                VectorTransform.class,
                VectorReduceGradients.class,
                VectorMergeGradients.class,
                VectorInputGradient.class
            })
    void useNoMethodsThatShapesOfVectorsShare(Class<?> kernel) throws IOException {
        Set<String> shared = new TreeSet<>();
        Set<String> used = new TreeSet<>();
        for (InvokeInstruction call : calls(kernel)) {
            String name = call.name().stringValue();
            String type = call.type().stringValue();
            if (VECTORS.contains(call.owner().asInternalName())) {
                used.add(name);
                boolean widensScalar = name.equals("lanewise") && (type.contains("F)") || type.contains("D)"));
                if (!ALLOWED.contains(name) || widensScalar) {
                    shared.add(name + type);
                }
            }
        }
        assertThat(used).isNotEmpty();
        assertThat(shared).isEmpty();
    }

    private static Iterable<InvokeInstruction> calls(Class<?> kernel) throws IOException {
        try (InputStream code = kernel.getResourceAsStream(kernel.getSimpleName() + ".class")) {
            assertThat(code).isNotNull();
            return ClassFile.of().parse(code.readAllBytes()).methods().stream()
                    .flatMap(method -> instructions(method))
                    .toList();
        }
    }

    private static Stream<InvokeInstruction> instructions(MethodModel method) {
        return method.code().stream()
                .flatMap(code -> code.elementStream())
                .filter(InvokeInstruction.class::isInstance)
                .map(InvokeInstruction.class::cast);
    }
}

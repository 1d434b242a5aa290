package org.batchnorm.cpu.kernel.vector;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.InputStream;
import java.lang.classfile.Attributes;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassModel;
import java.lang.classfile.CodeElement;
import java.lang.classfile.CodeModel;
import java.lang.classfile.Label;
import java.lang.classfile.MethodModel;
import java.lang.classfile.attribute.CodeAttribute;
import java.lang.classfile.instruction.BranchInstruction;
import java.lang.classfile.instruction.InvokeInstruction;
import java.lang.classfile.instruction.LabelTarget;
import java.lang.classfile.instruction.TypeCheckInstruction;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.batchnorm.cpu.kernel.Operands;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.spi.Activation;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the compiler needs of the vector kernels, as {@link Species} and {@link Specialized} tell. */
class VectorKernelsTest {
    private static final String SEGMENT = "java/lang/foreign/MemorySegment";

    private static final Set<String> VECTORS =
            Set.of("jdk/incubator/vector/FloatVector", "jdk/incubator/vector/DoubleVector");

    /**
     * Those that are static, or each shape's own, or ask nothing but the vector's shape. The order in which
     * {@code reduceLanes} adds is not promised: it may only be asked whether the sum is zero.
     */
    private static final Set<String> ALLOWED = Set.of(
            "zero",
            "broadcast",
            "fromArray",
            "intoArray",
            "fromMemorySegment",
            "intoMemorySegment",
            "convertShape",
            "lanewise",
            "compare",
            "blend",
            "reduceLanes");

    private static final Map<Activation, VectorActivation> ACTIVATIONS = Map.of(
            Activation.NONE,
            VectorActivation.NONE,
            Activation.relu(),
            VectorActivation.RELU,
            Activation.leakyRelu(0.1),
            VectorActivation.LEAKY);

    @ParameterizedTest
    @ValueSource(
            classes = {
                Species.class,
                Access.class,
                VectorActivation.class,
                VectorSums.class,
                VectorReduction.class,
                VectorRunReduction.class,
                VectorElementwise.class,
                VectorMergeStatistics.class
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
                widensScalar |= name.equals("blend") && !type.startsWith("(Ljdk/incubator/vector/Vector;");
                if (!ALLOWED.contains(name) || widensScalar) {
                    shared.add(name + type);
                }
            }
        }
        assertThat(used).isNotEmpty();
        assertThat(shared).isEmpty();
    }

    /**
     * What all kernels share gives no vector to another method of its class. Such a call is rare in the profile, or
     * more than the compiler inlines, and every vector becomes an object.
     */
    @ParameterizedTest
    @ValueSource(classes = {VectorActivation.class, VectorSums.class})
    void sharedMethodsGiveEachOtherNoVectors(Class<?> shared) throws IOException {
        List<String> own = calls(shared).stream()
                .filter(call -> call.type().stringValue().contains("FloatVector;"))
                .filter(call ->
                        call.owner().asInternalName().equals(shared.getName().replace('.', '/')))
                .map(call -> call.name().stringValue())
                .toList();
        assertThat(own).isEmpty();
    }

    private static List<InvokeInstruction> calls(Class<?> kernel) throws IOException {
        return model(kernel).methods().stream()
                .flatMap(method -> method.code().stream())
                .flatMap(code -> instructionsOf(code))
                .toList();
    }

    private static ClassModel model(Class<?> kernel) throws IOException {
        try (InputStream code = kernel.getResourceAsStream(kernel.getSimpleName() + ".class")) {
            assertThat(code).isNotNull();
            return ClassFile.of().parse(code.readAllBytes());
        }
    }

    private static Stream<InvokeInstruction> instructionsOf(CodeModel code) {
        return code.elementStream().filter(InvokeInstruction.class::isInstance).map(InvokeInstruction.class::cast);
    }

    /**
     * Where a loop on vectors is inlined into a caller before it has run, the compiler makes an object of every vector.
     * So a method that has one is too large to be inlined, and stands for itself.
     */
    @ParameterizedTest
    @ValueSource(
            classes = {
                VectorReduction.class,
                VectorRunReduction.class,
                VectorElementwise.class,
                VectorResidualGradient.class
            })
    void loopsOnVectorsAreInMethodsTooLargeToBeInlined(Class<?> kernel) throws IOException {
        Map<String, Integer> small = new TreeMap<>();
        int loops = 0;
        for (MethodModel method : model(kernel).methods()) {
            CodeAttribute code = method.findAttribute(Attributes.code()).orElse(null);
            if (code != null && loopsOnVectors(code)) {
                loops++;
                if (code.codeLength() <= Specialized.INLINED_BYTES) {
                    small.put(method.methodName().stringValue(), code.codeLength());
                }
            }
        }
        assertThat(loops)
                .isGreaterThanOrEqualTo(kernel == VectorReduction.class || kernel == VectorElementwise.class ? 3 : 1);
        assertThat(small).isEmpty();
    }

    /**
     * A cast keeps which classes it has met. Those of the kernels' copies are their own; one in code that all copies
     * share would meet every kind of segment.
     */
    @Test
    void onlyCodeThatIsCopiedCastsMemory() throws IOException {
        assertThat(casts(Access.class)).isEmpty();
        assertThat(casts(Bfloat16Access.class)).isEmpty();
        assertThat(casts(VectorReduction.class)).contains(SEGMENT);
        assertThat(casts(VectorRunReduction.class)).contains(SEGMENT);
        assertThat(casts(VectorElementwise.class)).contains(SEGMENT);
        assertThat(casts(VectorResidualGradient.class)).contains(SEGMENT);
    }

    private static List<String> casts(Class<?> kernel) throws IOException {
        return model(kernel).methods().stream()
                .flatMap(method -> method.code().stream())
                .flatMap(CodeModel::elementStream)
                .filter(TypeCheckInstruction.class::isInstance)
                .map(cast -> ((TypeCheckInstruction) cast).type().asInternalName())
                .filter(type -> type.equals(SEGMENT))
                .toList();
    }

    /** Whatever the operands: the copy for native memory meets segments of one class, that of native memory. */
    @Test
    void theCopyForNativeMemoryMeetsNoOther(@TempDir Path folder) throws IOException {
        BatchShape shape = BatchShape.of(2, 2);
        Path file = Files.write(folder.resolve("mapped"), new byte[16]);
        try (Arena arena = Arena.ofConfined();
                FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
            Map<String, Batch> memory = new LinkedHashMap<>();
            memory.put("native", Batch.of(arena.allocate(16, 4), shape));
            memory.put("native, read-only", Batch.of(arena.allocate(16, 4).asReadOnly(), shape));
            memory.put("part of native", Batch.of(arena.allocate(32, 4).asSlice(16), shape));
            memory.put("array", Batch.of(new float[4], shape));
            memory.put("segment over an array", Batch.of(MemorySegment.ofArray(new float[4]), shape));
            memory.put(
                    "array, read-only",
                    Batch.of(MemorySegment.ofArray(new float[4]).asReadOnly(), shape));
            memory.put("array of int", Batch.of(MemorySegment.ofArray(new int[4]), shape));
            memory.put("mapped", Batch.of(channel.map(FileChannel.MapMode.READ_ONLY, 0, 16, arena), shape));
            Operands operands = new Operands();
            Set<Integer> met = new TreeSet<>();
            memory.forEach((xKind, x) -> memory.forEach((dyKind, dy) -> memory.forEach((outKind, out) -> {
                operands.set(x, dy, out);
                check(operands, List.of(xKind, dyKind, outKind), met);
                operands.setForward(x, dy, out);
                check(operands, List.of(xKind, dyKind, outKind), met);
                operands.set(x, null, out);
                check(operands, List.of(xKind, outKind), met);
                operands.set(x, null, null);
                check(operands, List.of(xKind), met);
            })));
            memory.forEach((xKind, x) -> memory.forEach((outKind, out) -> {
                boolean arrays = isArray(xKind) && isArray(outKind);
                Batch half = bfloat16(x, arrays);
                operands.set(half, null, bfloat16(out, arrays));
                checkBfloat16(operands, List.of(xKind, outKind), met);
                operands.set(half, half, bfloat16(out, arrays));
                checkBfloat16(operands, List.of(xKind, outKind), met);
            }));
            assertThat(met).hasSize(Variant.count());
        }
    }

    private static boolean isArray(String kind) {
        return kind.equals("array") || kind.equals("segment over an array");
    }

    private static Batch bfloat16(Batch batch, boolean array) {
        return array
                ? Batch.of(new short[4], ElementType.BFLOAT16, batch.shape())
                : Batch.of(batch.segment(), ElementType.BFLOAT16, batch.shape());
    }

    private static void checkBfloat16(Operands operands, List<String> kinds, Set<Integer> met) {
        boolean arrays = kinds.stream().allMatch(VectorKernelsTest::isArray);
        boolean allNative = kinds.stream().allMatch(kind -> kind.contains("native"));
        int number = Variant.numberOfBfloat16(operands);
        assertThat(Variant.of(number))
                .as("%s of bfloat16", kinds)
                .isEqualTo(new Variant(
                        arrays,
                        allNative,
                        operands.hasSecond(),
                        false,
                        VectorActivation.NONE,
                        VectorActivation.NONE,
                        true));
        met.add(number);
    }

    private static void check(Operands operands, List<String> kinds, Set<Integer> met) {
        boolean arrays = kinds.stream().allMatch(VectorKernelsTest::isArray);
        boolean allNative = kinds.stream().allMatch(kind -> kind.contains("native"));
        ACTIVATIONS.forEach((input, inputKind) -> ACTIVATIONS.forEach((output, outputKind) -> {
            operands.activate(input, output);
            int number = Variant.numberOf(operands);
            assertThat(Variant.of(number))
                    .as("%s, %s, %s", kinds, input, output)
                    .isEqualTo(new Variant(
                            arrays,
                            allNative,
                            operands.hasSecond(),
                            operands.hasResidual(),
                            inputKind,
                            outputKind,
                            false));
            met.add(number);
        }));
        if (operands.hasSecond() && !operands.hasResidual()) {
            operands.undo(Activation.leakyRelu(0.1));
            int number = Variant.numberOf(operands);
            assertThat(Variant.of(number))
                    .as("%s, undoing", kinds)
                    .isEqualTo(new Variant(
                            arrays, allNative, true, false, VectorActivation.UNDOING, VectorActivation.UNDONE, false));
            met.add(number);
        }
    }

    private static boolean loopsOnVectors(CodeAttribute code) {
        boolean vectors = instructionsOf(code)
                .anyMatch(call -> VECTORS.contains(call.owner().asInternalName())
                        || call.type().stringValue().contains("FloatVector;"));
        Map<Label, Integer> bound = new HashMap<>();
        int at = 0;
        boolean back = false;
        for (CodeElement element : code) {
            at++;
            if (element instanceof LabelTarget target) {
                bound.put(target.label(), at);
            } else if (element instanceof BranchInstruction branch) {
                back = back || bound.containsKey(branch.target());
            }
        }
        return vectors && back;
    }
}

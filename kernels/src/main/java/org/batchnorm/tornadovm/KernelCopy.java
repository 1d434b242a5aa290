package org.batchnorm.tornadovm;

import java.io.IOException;
import java.io.InputStream;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassTransform;
import java.lang.classfile.CodeBuilder;
import java.lang.classfile.CodeElement;
import java.lang.classfile.CodeModel;
import java.lang.classfile.CodeTransform;
import java.lang.classfile.MethodModel;
import java.lang.classfile.Opcode;
import java.lang.classfile.TypeKind;
import java.lang.classfile.instruction.InvokeInstruction;
import java.lang.classfile.instruction.LoadInstruction;
import java.lang.classfile.instruction.LocalVariable;
import java.lang.constant.ClassDesc;
import java.lang.constant.ConstantDescs;
import java.lang.constant.MethodTypeDesc;
import java.lang.invoke.MethodType;
import java.lang.reflect.Method;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/**
 * A kernel whose class is loaded once more with other arrays in the places of its {@link FloatArray}s: where a value is
 * read it is widened to float32, where one is written it is rounded, and nothing else is different. So the kernels
 * stand once in the source whatever the types of a batch. It is javac's bytecode that is rewritten, of methods that
 * keep to what the kernels do: an array is a parameter that is read, written or handed to a helper, and the JVM's
 * verifier refuses a copy in which an array is taken for one of another type.
 *
 * <p>The copy has the name of its original, in a class loader of its own: TornadoVM looks for the file of a kernel's
 * class by that name. All classes of the package are copied with it, since the others are not visible outside of
 * theirs.
 */
final class KernelCopy extends ClassLoader {
    private static final ClassDesc FLOATS = BatchArray.FLOAT32.array();

    private final Method kernel;
    private final List<BatchArray> arrays;
    private final String copied;

    /**
     * A copy, or the kernel itself if all arrays are float32.
     *
     * @param arrays those in the places of the kernel's FloatArrays, in order
     */
    KernelCopy(Method kernel, List<BatchArray> arrays) {
        super(kernel.getName() + arrays, KernelCopy.class.getClassLoader());
        this.kernel = kernel;
        this.arrays = arrays;
        boolean original = arrays.stream().allMatch(BatchArray.FLOAT32::equals);
        this.copied = original ? "" : kernel.getDeclaringClass().getPackageName() + ".";
    }

    /**
     * A task that calls the kernel, as a method reference would.
     *
     * @param type the interface of tasks of as many parameters
     */
    Object newTask(Class<?> type) throws ReflectiveOperationException {
        byte[] task = task(type);
        return defineClass(null, task, 0, task.length).getConstructor().newInstance();
    }

    /** The copied method. */
    Method method() throws ClassNotFoundException {
        return TypedKernel.method(loadClass(kernel.getDeclaringClass().getName()));
    }

    @Override
    protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
        if (copied.isEmpty() || !name.startsWith(copied)) {
            return super.loadClass(name, resolve);
        }
        synchronized (getClassLoadingLock(name)) {
            Class<?> loaded = findLoadedClass(name);
            return loaded == null ? findClass(name) : loaded;
        }
    }

    @Override
    protected Class<?> findClass(String name) throws ClassNotFoundException {
        byte[] bytes = read(name);
        byte[] copy = name.equals(kernel.getDeclaringClass().getName()) ? rewrite(bytes) : bytes;
        return defineClass(name, copy, 0, copy.length);
    }

    private byte[] read(String name) throws ClassNotFoundException {
        try (InputStream file = getParent().getResourceAsStream(name.replace('.', '/') + ".class")) {
            if (file == null) {
                throw new ClassNotFoundException(name);
            }
            return file.readAllBytes();
        } catch (IOException e) {
            throw new ClassNotFoundException(name, e);
        }
    }

    // ---- the kernel

    private byte[] rewrite(byte[] bytes) {
        ClassFile classes = ClassFile.of();
        ClassTransform transform = (into, element) -> {
            if (element instanceof MethodModel method && method.methodName().equalsString(kernel.getName())) {
                into.withMethod(
                        kernel.getName(),
                        descriptor(),
                        method.flags().flagsMask(),
                        copy -> method.forEach(part -> {
                            if (part instanceof CodeModel code) {
                                copy.transformCode(code, CodeTransform.ofStateful(Accesses::new));
                            } else {
                                copy.with(part);
                            }
                        }));
            } else {
                into.with(element);
            }
        };
        return classes.transformClass(classes.parse(bytes), transform);
    }

    private MethodTypeDesc descriptor() {
        List<ClassDesc> types = new ArrayList<>();
        int array = 0;
        for (Class<?> type : kernel.getParameterTypes()) {
            types.add(type == FloatArray.class ? arrays.get(array++).array() : BatchArray.describe(type));
        }
        return MethodTypeDesc.of(ConstantDescs.CD_void, types);
    }

    /**
     * Replaces what reads and writes. A receiver is on the stack before the arguments, among which may be other reads:
     * the last array that was put there is the first to be used.
     */
    private final class Accesses implements CodeTransform {
        private final Map<Integer, BatchArray> bySlot = new HashMap<>();
        private final Deque<BatchArray> onStack = new ArrayDeque<>();

        Accesses() {
            int slot = 0;
            int array = 0;
            for (Class<?> type : kernel.getParameterTypes()) {
                if (type == FloatArray.class) {
                    bySlot.put(slot, arrays.get(array++));
                }
                slot += TypeKind.from(type).slotSize();
            }
        }

        @Override
        public void accept(CodeBuilder code, CodeElement element) {
            if (element instanceof LoadInstruction load
                    && load.typeKind() == TypeKind.REFERENCE
                    && bySlot.containsKey(load.slot())) {
                onStack.push(bySlot.get(load.slot()));
                code.with(load);
            } else if (element instanceof LocalVariable local && bySlot.containsKey(local.slot())) {
                ClassDesc type = bySlot.get(local.slot()).array();
                String name = local.name().stringValue();
                code.localVariable(local.slot(), name, type, local.startScope(), local.endScope());
            } else if (element instanceof InvokeInstruction call) {
                accept(code, call);
            } else {
                code.with(element);
            }
        }

        private void accept(CodeBuilder code, InvokeInstruction call) {
            if (!call.owner().asSymbol().equals(FLOATS)) {
                call.typeSymbol().parameterList().stream()
                        .filter(FLOATS::equals)
                        .forEach(handedOver -> onStack.pop());
                code.with(call);
            } else if (call.name().equalsString("set")) {
                store(onStack.pop(), code);
            } else {
                onStack.pop().load(code);
            }
        }
    }

    /**
     * TornadoVM 5.2 takes a short that is read right before a HalfFloat is made for the bits of that one, and does not
     * compile the kernel. Where both types meet, a branch stands between: no index is negative, which only TornadoVM
     * does not know.
     */
    private void store(BatchArray array, CodeBuilder code) {
        if (array != BatchArray.FLOAT16 || !arrays.contains(BatchArray.BFLOAT16)) {
            array.store(code);
            return;
        }
        int value = code.allocateLocal(TypeKind.FLOAT);
        int index = code.allocateLocal(TypeKind.INT);
        code.fstore(value)
                .istore(index)
                .iload(index)
                .ifThenElse(
                        Opcode.IFGE, then -> array.store(then.iload(index).fload(value)), otherwise -> otherwise.pop());
    }

    // ---- the task

    private byte[] task(Class<?> type) {
        ClassDesc name = ClassDesc.of(kernel.getDeclaringClass().getName() + "Task");
        int parameters = kernel.getParameterCount();
        return ClassFile.of()
                .build(
                        name,
                        task -> task.withFlags(ClassFile.ACC_PUBLIC | ClassFile.ACC_FINAL)
                                .withInterfaceSymbols(BatchArray.describe(type))
                                .withMethodBody(
                                        ConstantDescs.INIT_NAME,
                                        ConstantDescs.MTD_void,
                                        ClassFile.ACC_PUBLIC,
                                        code -> code.aload(0)
                                                .invokespecial(
                                                        ConstantDescs.CD_Object,
                                                        ConstantDescs.INIT_NAME,
                                                        ConstantDescs.MTD_void)
                                                .return_())
                                .withMethodBody(
                                        "apply",
                                        MethodTypeDesc.of(
                                                ConstantDescs.CD_void,
                                                Collections.nCopies(parameters, ConstantDescs.CD_Object)),
                                        ClassFile.ACC_PUBLIC,
                                        this::call));
    }

    /** Hands all parameters on. */
    private void call(CodeBuilder code) {
        MethodTypeDesc descriptor = descriptor();
        Class<?>[] types = kernel.getParameterTypes();
        for (int i = 0; i < types.length; i++) {
            code.aload(i + 1);
            if (types[i].isPrimitive()) {
                ClassDesc box = BatchArray.describe(
                        MethodType.methodType(types[i]).wrap().returnType());
                code.checkcast(box)
                        .invokevirtual(
                                box, types[i].getName() + "Value", MethodTypeDesc.of(descriptor.parameterType(i)));
            } else {
                code.checkcast(descriptor.parameterType(i));
            }
        }
        code.invokestatic(BatchArray.describe(kernel.getDeclaringClass()), kernel.getName(), descriptor)
                .return_();
    }
}

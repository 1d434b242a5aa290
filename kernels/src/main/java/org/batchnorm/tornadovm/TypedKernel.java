package org.batchnorm.tornadovm;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.common.TornadoFunctions;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/**
 * A kernel as a task for arrays of the types that a caller has. Kernels are written for {@link FloatArray}s; for other
 * arrays there is a copy of the kernel ({@link KernelCopy}), made when it is first asked for.
 *
 * @param code what TornadoVM takes for a method reference to the kernel: a task of as many parameters
 * @param adder {@code TaskGraph.task} for so many parameters
 */
record TypedKernel(Object code, MethodHandle adder) {
    private static final Map<Signature, TypedKernel> KNOWN = new ConcurrentHashMap<>();

    /**
     * A kernel and the arrays that it works on.
     *
     * @param arrays those in the places of the kernel's FloatArrays, in order
     */
    private record Signature(Class<?> kernel, List<BatchArray> arrays) {}

    /**
     * Adds a kernel to a graph.
     *
     * @param task its name there
     * @param kernel the class whose one public method it is
     * @param arguments those of the method, but arrays of other types where it has FloatArrays
     */
    static void addTask(TaskGraph graph, String task, Class<?> kernel, Object... arguments) {
        Signature signature = new Signature(kernel, arrays(method(kernel), arguments));
        TypedKernel typed = KNOWN.computeIfAbsent(signature, TypedKernel::load);
        List<Object> all = new ArrayList<>(List.of(graph, task, typed.code));
        Collections.addAll(all, arguments);
        try {
            typed.adder.invokeWithArguments(all);
        } catch (RuntimeException | Error e) {
            throw e;
        } catch (Throwable e) {
            throw new IllegalStateException("task " + task, e);
        }
    }

    /** The types of the arrays; checks the others, which no compiler has seen. */
    private static List<BatchArray> arrays(Method method, Object[] arguments) {
        Class<?>[] types = method.getParameterTypes();
        boolean fits = types.length == arguments.length;
        List<BatchArray> arrays = new ArrayList<>();
        for (int i = 0; fits && i < types.length; i++) {
            if (types[i] == FloatArray.class) {
                fits = BatchArray.of(arguments[i]).map(arrays::add).orElse(false);
            } else {
                fits = MethodType.methodType(types[i]).wrap().returnType().isInstance(arguments[i]);
            }
        }
        if (!fits) {
            throw new IllegalStateException(method + " called with " + Arrays.toString(arguments));
        }
        return List.copyOf(arrays);
    }

    private static TypedKernel load(Signature signature) {
        Method method = method(signature.kernel);
        int parameters = method.getParameterCount();
        try {
            Class<?> task = Class.forName(TornadoFunctions.class.getName() + "$Task" + parameters);
            Object code = new KernelCopy(method, signature.arrays).newTask(task);
            List<Class<?>> types = new ArrayList<>(List.of(String.class, task));
            types.addAll(Collections.nCopies(parameters, Object.class));
            MethodHandle adder = MethodHandles.lookup()
                    .findVirtual(TaskGraph.class, "task", MethodType.methodType(TaskGraph.class, types));
            return new TypedKernel(code, adder);
        } catch (ReflectiveOperationException e) {
            throw new IllegalStateException("TornadoVM has no tasks as " + method + " needs them", e);
        }
    }

    /** The kernel of its class. */
    static Method method(Class<?> kernel) {
        return Arrays.stream(kernel.getDeclaredMethods())
                .filter(method -> Modifier.isPublic(method.getModifiers())
                        && method.getParameterCount() > 0
                        && method.getParameterTypes()[0] == KernelContext.class)
                .findFirst()
                .orElseThrow();
    }
}

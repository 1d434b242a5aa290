package org.batchnorm.tornadovm;

import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionResult;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;

/**
 * The arrays of a layer that stay on the device, and the graphs that hold them. TornadoVM allocates an array in a graph
 * only if one of the graph's tasks uses it, and hands a consumed array on only from the graph that was executed just
 * before. So the first graph that uses an array owns it, and every graph attached later consumes it under the name of
 * every earlier graph that holds it, whether its own tasks use it or not.
 */
final class DeviceArrays {
    private final Map<TaskGraph, Set<Object>> held = new LinkedHashMap<>();
    private final Set<Object> onDevice = Collections.newSetFromMap(new IdentityHashMap<>());

    /** Lets a graph consume all arrays that earlier graphs hold, once. */
    void attach(TaskGraph graph) {
        if (held.containsKey(graph)) {
            return;
        }
        Set<Object> consumed = Collections.newSetFromMap(new IdentityHashMap<>());
        held.forEach((earlier, arrays) -> {
            if (!arrays.isEmpty()) {
                graph.consumeFromDevice(earlier.getTaskGraphName(), arrays.toArray());
                consumed.addAll(arrays);
            }
        });
        held.put(graph, consumed);
    }

    /** Attaches a graph and makes sure that it holds the arrays, which its tasks use. */
    void use(TaskGraph graph, Object... arrays) {
        attach(graph);
        Set<Object> here = held.getOrDefault(graph, Set.of());
        List<Object> owned = new ArrayList<>();
        for (Object array : arrays) {
            if (here.contains(array)) {
                continue;
            }
            if (onDevice.add(array)) {
                owned.add(array);
            } else {
                held.forEach((other, otherArrays) -> {
                    if (otherArrays.contains(array)) {
                        graph.consumeFromDevice(other.getTaskGraphName(), array);
                    }
                });
            }
            here.add(array);
        }
        if (!owned.isEmpty()) {
            graph.transferToDevice(DataTransferMode.FIRST_EXECUTION, owned.toArray());
            graph.persistOnDevice(owned.toArray());
        }
    }

    /** Reads arrays from the device; those that no task has used yet are still what they are on the host. */
    void read(TornadoExecutionResult result, Object... arrays) {
        for (Object array : arrays) {
            if (onDevice.contains(array)) {
                result.transferToHost(array);
            }
        }
    }
}

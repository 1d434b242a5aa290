package org.batchnorm.bench.workload;

import java.lang.management.ManagementFactory;
import javax.management.JMException;
import javax.management.ObjectName;

/**
 * HotSpot's just-in-time compiler, as this JVM tells of it. The time that it has spent grows when a compilation ends;
 * what runs and what waits is in its queue, which {@code jcmd PID Compiler.queue} prints too.
 */
final class JitCompiler {
    private static final String COMMANDS = "com.sun.management:type=DiagnosticCommand";

    private long spentBefore;

    /** Whether it has compiled something since this was asked last, or compiles now, or will. */
    boolean works() {
        long spent = ManagementFactory.getCompilationMXBean().getTotalCompilationTime();
        boolean worked = spent != spentBefore;
        spentBefore = spent;
        return worked || hasWork(queue());
    }

    /** Whether the text names a method: one that a compiler thread works on, or one that waits. */
    static boolean hasWork(String queue) {
        return queue.contains("::");
    }

    /** What is being compiled, then the queue of each compiler, one method a line. */
    static String queue() {
        try {
            return (String) ManagementFactory.getPlatformMBeanServer()
                    .invoke(new ObjectName(COMMANDS), "compilerQueue", null, null);
        } catch (JMException e) {
            throw new IllegalStateException(
                    "this JVM does not tell what it compiles, so nobody knows when it is done; measure on HotSpot: "
                            + e.getMessage(),
                    e);
        }
    }
}

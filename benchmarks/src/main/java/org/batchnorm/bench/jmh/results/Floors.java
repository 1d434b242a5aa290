package org.batchnorm.bench.jmh.results;

import java.util.HashMap;
import java.util.Map;
import java.util.OptionalDouble;
import org.batchnorm.bench.jmh.results.Measurement.Point;
import org.batchnorm.bench.workload.Operation;

/**
 * The least time that an operation can take: that of the passes over memory which it cannot do without, each as fast as
 * plain Java does it in the same run ({@link Operation#floor}).
 */
public final class Floors {
    private static final String HEAP = "heap";
    private static final String OFF_HEAP = "off-heap";

    private final Map<Pass, Double> milliseconds = new HashMap<>();

    /** Takes a baseline's time; anything else is none of its business. */
    public void add(Measurement row) {
        Point point = row.point();
        if (point.operation().baseline() && point.library().equals(Libraries.JAVA)) {
            milliseconds.put(
                    Pass.of(point.operation(), point, point.memory()),
                    row.result().milliseconds());
        }
    }

    /**
     * The floor by the time: 1 is as fast as it can be. Of a library's own memory, which is aligned, the floor is that
     * of native memory where it was measured. Empty for baselines, for what is not steady or not on the CPU, and where
     * a baseline was not measured.
     */
    public OptionalDouble share(Point point, double time) {
        if (!point.phase().equals("steady") || !point.device().equals("cpu")) {
            return OptionalDouble.empty();
        }
        OptionalDouble floor = point.memory().equals("native")
                ? first(floor(point, OFF_HEAP), floor(point, HEAP))
                : floor(point, point.memory());
        return floor.isPresent() ? OptionalDouble.of(floor.getAsDouble() / time) : floor;
    }

    private static OptionalDouble first(OptionalDouble one, OptionalDouble other) {
        return one.isPresent() ? one : other;
    }

    private OptionalDouble floor(Point point, String memory) {
        double sum = 0;
        for (Operation pass : point.operation().floor(point.kind().fusion())) {
            Double time = milliseconds.get(Pass.of(pass, point, memory));
            if (time == null) {
                return OptionalDouble.empty();
            }
            sum += time;
        }
        return sum > 0 ? OptionalDouble.of(sum) : OptionalDouble.empty();
    }

    /** Memory is passed over at the speed of its bytes, whatever type they are read as. */
    private record Pass(Operation operation, long bytes, int threads, String memory) {
        static Pass of(Operation operation, Point point, String memory) {
            return new Pass(operation, point.bytesPerTensor(), point.threads(), memory);
        }
    }
}

package org.batchnorm.bench.jmh.results;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonProperty;
import java.math.BigDecimal;
import java.math.MathContext;
import java.util.List;
import java.util.Objects;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Fusion;
import org.batchnorm.bench.workload.Kind;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.bench.workload.Samples;
import org.jspecify.annotations.Nullable;

/**
 * One row of a results file: what was measured, by whom, and what came out. Written as one JSON object with the members
 * {@code point}, {@code run} and {@code result}.
 *
 * @param point what was measured: what two rows must share to be compared
 * @param run when and where
 * @param result the numbers
 */
public record Measurement(
        @JsonProperty(required = true) Point point,
        @JsonProperty(required = true) Run run,
        @JsonProperty(required = true) Result result) {

    /** Checks that nothing is missing. */
    public Measurement {
        Objects.requireNonNull(point, "point");
        Objects.requireNonNull(run, "run");
        Objects.requireNonNull(result, "result");
    }

    /**
     * What makes two rows the same one, of which a file keeps the newer: the point, measured at the same commit on the
     * same machine and JDK.
     */
    public Object identity() {
        return List.of(point, run.commit(), run.java(), run.machine(), run.cores());
    }

    /**
     * What was measured.
     *
     * @param operation the operation
     * @param shape the shape with its layout, {@code 32x64x56x56:channels-last}
     * @param memory where the data were: {@code heap} ({@code float[]}), {@code off-heap}, {@code native} (a peer's
     *     own), {@code device}
     * @param library {@code batchnorm} (this project), {@code java} (the baselines) or a peer's name
     * @param variant which of its ways: our backend ({@code vector}; {@code vector-layer} through the layer; on a
     *     device TornadoVM's backend and the version of the kernels, {@code tornadovm-cuda-on-chip}), a peer's variant
     *     ({@code out}, {@code acdb})
     * @param device {@code cpu}, or the device's name
     * @param threads CPU threads; 0 on a device
     * @param resident whether the data stayed where they are computed on; false: the time includes moving them there
     *     and back
     * @param clock {@code wall} (around the call), {@code kernel} (the device's profiler or events)
     * @param cache {@code warm} (calls follow each other on the same data) or {@code cold} (caches emptied before each)
     * @param phase {@code steady}; {@code first}: the first call of all, compilation included; {@code new-shape}: the
     *     first call of a shape after work on another
     * @param type the values' type; absent: {@code float32}
     * @param fused what is done in batch normalization's passes besides ({@link Fusion}); absent: nothing
     */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Point(
            @JsonProperty(required = true) Operation operation,
            @JsonProperty(required = true) BenchShape shape,
            @JsonProperty(required = true) String memory,
            @JsonProperty(required = true) String library,
            @JsonProperty(required = true) String variant,
            @JsonProperty(required = true) String device,
            @JsonProperty(required = true) int threads,
            @JsonProperty(required = true) boolean resident,
            @JsonProperty(required = true) String clock,
            @JsonProperty(required = true) String cache,
            @JsonProperty(required = true) String phase,
            @Nullable String type,
            @Nullable Fusion fused) {

        /** Checks the values; what is usual becomes absent. */
        public Point {
            Objects.requireNonNull(operation, "operation");
            Objects.requireNonNull(shape, "shape");
            requireOneOf("memory", memory, "heap", "off-heap", "native", "device");
            requireText("library", library);
            requireText("variant", variant);
            requireText("device", device);
            if (threads < 0) {
                throw new IllegalArgumentException("threads: " + threads + " given, must be at least 0");
            }
            requireOneOf("clock", clock, "wall", "kernel");
            requireOneOf("cache", cache, "warm", "cold");
            requireOneOf("phase", phase, "steady", "first", "new-shape");
            type = type == null || Kind.type(type) == Kind.PLAIN.type() ? null : type;
            fused = fused == Fusion.NONE ? null : fused;
        }

        /** A steady-state measurement on the CPU, by the wall clock, with warm caches. */
        public static Point onCpu(
                Operation operation, BenchShape shape, String memory, String library, String variant, int threads) {
            return ofHostData(operation, shape, memory, library, variant, "cpu", threads, true);
        }

        /**
         * A steady-state measurement by the wall clock, with warm caches, of a call that takes and leaves its data in
         * host memory.
         */
        public static Point ofHostData(
                Operation operation,
                BenchShape shape,
                String memory,
                String library,
                String variant,
                String device,
                int threads,
                boolean resident) {
            return new Point(
                    operation, shape, memory, library, variant, device, threads, resident, "wall", "warm", "steady",
                    null, null);
        }

        /** The type and what is fused. */
        public Kind kind() {
            return new Kind(type == null ? Kind.PLAIN.type() : Kind.type(type), fused == null ? Fusion.NONE : fused);
        }

        /** The bytes of one tensor. */
        public long bytesPerTensor() {
            return shape.batchShape().elements() * kind().type().bytes();
        }

        /** The same of another kind. */
        public Point of(Kind kind) {
            return new Point(
                    operation,
                    shape,
                    memory,
                    library,
                    variant,
                    device,
                    threads,
                    resident,
                    clock,
                    cache,
                    phase,
                    Kind.label(kind.type()),
                    kind.fusion());
        }

        /** The same in another phase. */
        public Point inPhase(String other) {
            return new Point(
                    operation, shape, memory, library, variant, device, threads, resident, clock, cache, other, type,
                    fused);
        }

        /** The same by another clock. */
        public Point byClock(String other) {
            return new Point(
                    operation, shape, memory, library, variant, device, threads, resident, other, cache, phase, type,
                    fused);
        }

        /** The same with caches in another state. */
        public Point withCache(String other) {
            return new Point(
                    operation, shape, memory, library, variant, device, threads, resident, clock, other, phase, type,
                    fused);
        }

        /** One line for messages. */
        @Override
        public String toString() {
            return operation + " " + shape + (kind().isPlain() ? "" : " " + kind()) + " " + library + "/" + variant
                    + " " + memory + " on " + device
                    + (threads == 0 ? "" : ", " + threads + (threads == 1 ? " thread" : " threads"))
                    + (resident ? "" : ", transferred")
                    + (clock.equals("wall") ? "" : ", " + clock + " time")
                    + (cache.equals("warm") ? "" : ", " + cache)
                    + (phase.equals("steady") ? "" : ", " + phase + " call");
        }
    }

    /**
     * When and where: the same in every row of a run.
     *
     * @param id identifies the run
     * @param date when it began, ISO 8601 in UTC
     * @param commit the project's commit, {@code -dirty} behind it if files were changed
     * @param java the JDK
     * @param machine the CPU's model
     * @param cores its processors
     * @param os the operating system
     */
    public record Run(
            @JsonProperty(required = true) String id,
            @JsonProperty(required = true) String date,
            @JsonProperty(required = true) String commit,
            @JsonProperty(required = true) String java,
            @JsonProperty(required = true) String machine,
            @JsonProperty(required = true) int cores,
            @JsonProperty(required = true) String os) {

        /** Checks the values. */
        public Run {
            requireText("id", id);
            requireText("date", date);
            requireText("commit", commit);
            requireText("java", java);
            requireText("machine", machine);
            requireText("os", os);
            if (cores < 1) {
                throw new IllegalArgumentException("cores: " + cores + " given, must be at least 1");
            }
        }
    }

    /**
     * The numbers.
     *
     * @param milliseconds the median of the samples, per call
     * @param lowerQuartile a quarter of the samples is below
     * @param upperQuartile a quarter is above
     * @param best the smallest sample
     * @param samples how many
     * @param gigabytesPerSecond the operation's logical bytes by the median, 1e9 bytes a second
     * @param copyShare those by the array copy's (on a device: the device copy's) of the same run; absent if none was
     *     measured
     * @param floorShare the time of the passes over memory that it cannot do without, each as fast as plain Java does
     *     it in the same run, by its own ({@link Floors}); absent if they were not measured
     * @param busyThreads processor time by wall time of the process measured, where known: less than its threads means
     *     that others took the processor
     * @param allocatedBytes bytes allocated on the Java heap per call, where measured
     * @param version the library's version, where it is not this project
     * @param detail what else is known: an implementation's name, a driver's version
     */
    @JsonInclude(JsonInclude.Include.NON_NULL)
    public record Result(
            @JsonProperty(required = true) double milliseconds,
            @JsonProperty(required = true) double lowerQuartile,
            @JsonProperty(required = true) double upperQuartile,
            @JsonProperty(required = true) double best,
            @JsonProperty(required = true) int samples,
            @JsonProperty(required = true) double gigabytesPerSecond,
            @Nullable Double copyShare,
            @Nullable Double floorShare,
            @Nullable Double busyThreads,
            @Nullable Double allocatedBytes,
            @Nullable String version,
            @Nullable String detail) {

        /** Checks the values. */
        public Result {
            requirePositive("best", best);
            requirePositive("lowerQuartile", lowerQuartile);
            requirePositive("milliseconds", milliseconds);
            requirePositive("upperQuartile", upperQuartile);
            requirePositive("gigabytesPerSecond", gigabytesPerSecond);
            if (!(best <= lowerQuartile && lowerQuartile <= milliseconds && milliseconds <= upperQuartile)) {
                throw new IllegalArgumentException(
                        "best " + best + ", lowerQuartile " + lowerQuartile + ", milliseconds " + milliseconds
                                + ", upperQuartile " + upperQuartile + " given, must ascend");
            }
            if (samples < 1) {
                throw new IllegalArgumentException("samples: " + samples + " given, must be at least 1");
            }
        }

        /** The samples of a point. */
        public static Result of(Point point, Samples samples) {
            double milliseconds = samples.medianMillis();
            return new Result(
                    rounded(milliseconds),
                    rounded(samples.quantileMillis(0.25)),
                    rounded(samples.quantileMillis(0.75)),
                    rounded(samples.quantileMillis(0)),
                    samples.count(),
                    rounded(point.operation().logicalBytes(point.shape(), point.kind()) / milliseconds / 1e6),
                    null,
                    null,
                    null,
                    null,
                    null,
                    null);
        }

        /** With the share of the copy's bandwidth. */
        public Result withCopyShare(double share) {
            return new Result(
                    milliseconds,
                    lowerQuartile,
                    upperQuartile,
                    best,
                    samples,
                    gigabytesPerSecond,
                    rounded(share),
                    floorShare,
                    busyThreads,
                    allocatedBytes,
                    version,
                    detail);
        }

        /** With the share of the floor. */
        public Result withFloorShare(double share) {
            return new Result(
                    milliseconds,
                    lowerQuartile,
                    upperQuartile,
                    best,
                    samples,
                    gigabytesPerSecond,
                    copyShare,
                    rounded(share),
                    busyThreads,
                    allocatedBytes,
                    version,
                    detail);
        }

        /** With what else is known. */
        public Result withDetail(@Nullable String text) {
            return new Result(
                    milliseconds,
                    lowerQuartile,
                    upperQuartile,
                    best,
                    samples,
                    gigabytesPerSecond,
                    copyShare,
                    floorShare,
                    busyThreads,
                    allocatedBytes,
                    version,
                    text);
        }

        /** With the bytes allocated per call. */
        public Result withAllocatedBytes(double bytes) {
            return new Result(
                    milliseconds,
                    lowerQuartile,
                    upperQuartile,
                    best,
                    samples,
                    gigabytesPerSecond,
                    copyShare,
                    floorShare,
                    busyThreads,
                    rounded(bytes),
                    version,
                    detail);
        }

        /** With what a peer says. */
        public Result withPeer(double busy, String libraryVersion, String libraryDetail) {
            return new Result(
                    milliseconds,
                    lowerQuartile,
                    upperQuartile,
                    best,
                    samples,
                    gigabytesPerSecond,
                    copyShare,
                    floorShare,
                    rounded(busy),
                    allocatedBytes,
                    libraryVersion,
                    libraryDetail.isEmpty() ? null : libraryDetail);
        }

        /** To five digits: more are noise, and would be stored for ever. */
        private static double rounded(double value) {
            return value == 0 || !Double.isFinite(value)
                    ? value
                    : new BigDecimal(value).round(new MathContext(5)).doubleValue();
        }

        private static void requirePositive(String name, double value) {
            if (!(value > 0) || Double.isInfinite(value)) {
                throw new IllegalArgumentException(
                        name + ": " + value + " given, must be a finite number greater than 0");
            }
        }
    }

    private static void requireText(String name, String value) {
        Objects.requireNonNull(value, name);
        if (value.isBlank()) {
            throw new IllegalArgumentException(name + ": blank, must be given");
        }
    }

    private static void requireOneOf(String name, String value, String... allowed) {
        Objects.requireNonNull(value, name);
        if (!List.of(allowed).contains(value)) {
            throw new IllegalArgumentException(
                    name + ": \"" + value + "\" given, must be one of " + String.join(", ", allowed));
        }
    }
}

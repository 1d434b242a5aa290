package org.batchnorm.bench.peers.onnxruntime;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.List;
import java.util.Map;
import org.batchnorm.bench.peers.Peer;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Expected;
import org.batchnorm.bench.workload.Inputs;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.data.Layout;
import org.jspecify.annotations.Nullable;

/**
 * ONNX Runtime, a model of one {@code BatchNormalization}: {@code run} allocates its output at each call,
 * {@code pinned} has it preallocated. It infers only, and knows no channels-last; of (N, C), which its loops are not
 * made for, it is not asked.
 */
public final class OnnxRuntimePeer implements Peer {
    private static final String ALLOCATING = "run";
    private static final String PREALLOCATED = "pinned";
    private static final long PAGE = 4096;

    private int threads;

    @Override
    public String name() {
        return "onnxruntime";
    }

    /** It does not tell its threads: those it is told; {@code busyThreads} of a result shows what it kept busy. */
    @Override
    public Started start(int threads) {
        this.threads = threads;
        return new Started(
                OrtEnvironment.getEnvironment().getVersion(),
                threads,
                "intra-op threads " + threads + ", providers " + OrtEnvironment.getAvailableProviders());
    }

    @Override
    public List<String> variants(Operation operation, BenchShape shape) {
        boolean imagesChannelsFirst =
                shape.layout() == Layout.CHANNELS_FIRST && !shape.spatial().isEmpty();
        return operation == Operation.INFERENCE && imagesChannelsFirst ? List.of(ALLOCATING, PREALLOCATED) : List.of();
    }

    @Override
    public Variant prepare(String variant, Operation operation, BenchShape shape, Inputs inputs) {
        try {
            return new Call(variant.equals(PREALLOCATED), threads, shape, inputs);
        } catch (OrtException e) {
            throw new IllegalStateException("onnxruntime does not take the model: " + e.getMessage(), e);
        }
    }

    private static final class Call implements Variant {
        private final OrtSession session;
        private final Map<String, OnnxTensor> x;
        private final Map<String, OnnxTensor> y;
        private OrtSession.@Nullable Result last;

        Call(boolean preallocated, int threads, BenchShape shape, Inputs in) throws OrtException {
            OrtEnvironment environment = OrtEnvironment.getEnvironment();
            try (OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
                options.setIntraOpNumThreads(threads);
                options.setInterOpNumThreads(1);
                session = environment.createSession(OnnxModel.batchNormalization(shape.extents(), in), options);
            }
            long[] extents = shape.extents().stream().mapToLong(Long::longValue).toArray();
            x = Map.of(OnnxModel.X, OnnxTensor.createTensor(environment, memory(in.x()), extents));
            float[] zeros = new float[in.x().length];
            y = preallocated
                    ? Map.of(OnnxModel.Y, OnnxTensor.createTensor(environment, memory(zeros), extents))
                    : Map.of();
        }

        /** Memory of its own, at the start of a page, with these values. */
        private static FloatBuffer memory(float[] values) {
            MemorySegment segment = Arena.ofAuto().allocate((long) values.length * Float.BYTES, PAGE);
            MemorySegment.copy(values, 0, segment, ValueLayout.JAVA_FLOAT, 0, values.length);
            return segment.asByteBuffer().order(ByteOrder.nativeOrder()).asFloatBuffer();
        }

        /** Frees the output of the call before, as a program does that is done with it. */
        @Override
        public void run() {
            closeLast();
            try {
                last = y.isEmpty() ? session.run(x) : session.run(x, y);
            } catch (OrtException e) {
                throw new IllegalStateException("onnxruntime fails: " + e.getMessage(), e);
            }
        }

        @Override
        public Map<String, float[]> results() {
            if (last == null) {
                return Map.of();
            }
            FloatBuffer values = ((OnnxTensor) last.get(0)).getFloatBuffer();
            float[] copy = new float[values.remaining()];
            values.get(copy);
            return Map.of(Expected.Y, copy);
        }

        private void closeLast() {
            if (last != null) {
                last.close();
                last = null;
            }
        }

        @Override
        public void close() {
            closeLast();
            x.values().forEach(OnnxTensor::close);
            y.values().forEach(OnnxTensor::close);
            try {
                session.close();
            } catch (OrtException e) {
                throw new IllegalStateException("onnxruntime does not end: " + e.getMessage(), e);
            }
        }
    }
}

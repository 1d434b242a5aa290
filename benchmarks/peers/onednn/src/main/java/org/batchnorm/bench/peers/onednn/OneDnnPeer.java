package org.batchnorm.bench.peers.onednn;

import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_DIFF_DST;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_DIFF_SCALE;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_DIFF_SHIFT;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_DIFF_SRC;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_DST;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_MEAN;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_SCALE;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_SHIFT;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_SRC;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_VARIANCE;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_WORKSPACE;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.batchnorm.bench.peers.Peer;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Expected;
import org.batchnorm.bench.workload.Fusion;
import org.batchnorm.bench.workload.Inputs;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.data.Layout;
import org.bytedeco.dnnl.IntMemoryMap;
import org.bytedeco.dnnl.batch_normalization_backward;
import org.bytedeco.dnnl.batch_normalization_forward;
import org.bytedeco.dnnl.dnnl_version_t;
import org.bytedeco.dnnl.engine;
import org.bytedeco.dnnl.global.dnnl;
import org.bytedeco.dnnl.memory;
import org.bytedeco.dnnl.primitive;
import org.bytedeco.dnnl.stream;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.PointerScope;

/**
 * oneDNN, its primitives created once and executed on preallocated memory. Data of shape (N, C) are given as
 * {@code ab}, and as {@code acdb} on dimensions (1, C, N, 1), which is the same memory; images as {@code nchw} or
 * {@code nhwc}. Each variant tells the implementation that oneDNN chose.
 */
public final class OneDnnPeer implements Peer {
    private static final int PAGE_FLOATS = 1024;

    @Override
    public String name() {
        return "onednn";
    }

    @Override
    public Started start(int threads) {
        dnnl_version_t version = dnnl.version();
        // oneDNN has no call for its threads: OpenMP's environment variable decides, and OpenMP in this process is
        // asked what it understood.
        return new Started(
                version.major() + "." + version.minor() + "." + version.patch(),
                OpenMp.maxThreads(),
                "effective ISA " + dnnl.get_effective_cpu_isa());
    }

    @Override
    public List<String> variants(Operation operation, BenchShape shape) {
        if (shape.spatial().isEmpty()) {
            return List.of("ab", "acdb");
        }
        return List.of(shape.layout() == Layout.CHANNELS_FIRST ? "nchw" : "nhwc");
    }

    /** It fuses ReLU; of its CPU implementations none adds a residual ({@code fuse_norm_add_relu}). */
    @Override
    public List<String> variants(Operation operation, BenchShape shape, Fusion fusion) {
        return fusion == Fusion.RELU ? variants(operation, shape) : List.of();
    }

    @Override
    public Variant prepare(String variant, Operation operation, BenchShape shape, Inputs inputs) {
        long n = shape.n();
        long c = shape.c();
        long[] extents = switch (variant) {
            case "ab" -> new long[] {n, c};
            case "acdb" -> new long[] {1, c, n, 1};
            default -> {
                long height = shape.spatial().get(0);
                yield new long[] {n, c, height, shape.batchShape().spatial() / height};
            }
        };
        return new Call(memory.format_tag.valueOf(variant), extents, operation, shape, inputs);
    }

    private static final class Call implements Variant {
        private final PointerScope scope;
        private final engine cpu;
        private final stream queue;
        private final IntMemoryMap arguments;
        private final primitive normalization;
        private final String implementation;
        private final Map<String, FloatPointer> outputs = new HashMap<>();

        /** The mask that a fused ReLU's forward in training leaves to its backward; empty without one. */
        private final List<memory> workspace = new ArrayList<>();

        Call(memory.format_tag tag, long[] extents, Operation operation, BenchShape shape, Inputs in) {
            try (PointerScope setup = new PointerScope()) {
                scope = setup.extend();
                cpu = new engine(engine.kind.cpu, 0);
                queue = new stream(cpu);
                arguments = new IntMemoryMap();
                memory.desc data = new memory.desc(extents, memory.data_type.f32, tag);
                memory.desc features =
                        new memory.desc(new long[] {in.gamma().length}, memory.data_type.f32, memory.format_tag.a);
                boolean inference = operation == Operation.INFERENCE;
                boolean fused = in.kind().fusion() != Fusion.NONE;
                int flags = dnnl.dnnl_use_scale
                        | dnnl.dnnl_use_shift
                        | (inference ? dnnl.dnnl_use_global_stats : 0)
                        | (fused ? dnnl.dnnl_fuse_norm_relu : 0);
                batch_normalization_forward.primitive_desc forward = new batch_normalization_forward.primitive_desc(
                        cpu,
                        (inference ? dnnl.prop_kind.forward_inference : dnnl.prop_kind.forward_training).value,
                        data,
                        data,
                        (float) Inputs.EPS,
                        flags);
                if (fused && !inference) {
                    workspace.add(new memory(forward.workspace_desc(), cpu));
                    arguments.put(DNNL_ARG_WORKSPACE, workspace.getFirst());
                }
                argument(DNNL_ARG_SRC, data, in.x());
                argument(DNNL_ARG_SCALE, features, in.gamma());
                if (operation == Operation.BACKWARD) {
                    batch_normalization_backward.primitive_desc backward = new batch_normalization_backward
                            .primitive_desc(
                            cpu, dnnl.prop_kind.backward.value, data, data, data, (float) Inputs.EPS, flags, forward);
                    implementation = backward.impl_info_str().getString();
                    normalization = new batch_normalization_backward(backward);
                    if (fused) {
                        runForward(forward, data, features, in);
                    }
                    Inputs.BatchMoments moments = in.moments(shape);
                    argument(DNNL_ARG_MEAN, features, moments.mean());
                    argument(DNNL_ARG_VARIANCE, features, moments.variance());
                    argument(DNNL_ARG_DIFF_DST, data, in.dy());
                    output(Expected.DX, DNNL_ARG_DIFF_SRC, data, in.x().length);
                    output(Expected.DGAMMA, DNNL_ARG_DIFF_SCALE, features, in.gamma().length);
                    output(Expected.DBETA, DNNL_ARG_DIFF_SHIFT, features, in.gamma().length);
                } else {
                    implementation = forward.impl_info_str().getString();
                    normalization = new batch_normalization_forward(forward);
                    argument(DNNL_ARG_SHIFT, features, in.beta());
                    argument(DNNL_ARG_MEAN, features, in.runningMean());
                    argument(DNNL_ARG_VARIANCE, features, in.runningVar());
                    output(Expected.Y, DNNL_ARG_DST, data, in.x().length);
                }
            }
        }

        /** The forward, for the mask that it leaves. Its outputs are replaced by the backward's arguments or unused. */
        private void runForward(
                batch_normalization_forward.primitive_desc forward, memory.desc data, memory.desc features, Inputs in) {
            argument(DNNL_ARG_SHIFT, features, in.beta());
            argument(DNNL_ARG_MEAN, features, in.runningMean());
            argument(DNNL_ARG_VARIANCE, features, in.runningVar());
            argument(DNNL_ARG_DST, data, new float[in.x().length]);
            new batch_normalization_forward(forward).execute(queue, arguments);
            queue._wait();
        }

        private void output(String quantity, int index, memory.desc description, int length) {
            outputs.put(quantity, argument(index, description, new float[length]));
        }

        /** Memory of its own, at the start of a page, with these values. */
        private FloatPointer argument(int index, memory.desc description, float[] values) {
            FloatPointer allocation = new FloatPointer(values.length + PAGE_FLOATS);
            long intoPage = allocation.address() / Float.BYTES % PAGE_FLOATS;
            FloatPointer pointer = allocation.getPointer((PAGE_FLOATS - intoPage) % PAGE_FLOATS);
            pointer.limit(values.length);
            pointer.put(values);
            arguments.put(index, new memory(description, cpu, pointer));
            return pointer;
        }

        @Override
        public String detail() {
            return implementation;
        }

        @Override
        public void run() {
            normalization.execute(queue, arguments);
            queue._wait();
        }

        @Override
        public Map<String, float[]> results() {
            Map<String, float[]> results = new HashMap<>();
            outputs.forEach((quantity, pointer) -> {
                float[] values = new float[Math.toIntExact(pointer.limit())];
                pointer.get(values);
                results.put(quantity, values);
            });
            return results;
        }

        @Override
        public void close() {
            scope.deallocate();
        }
    }
}

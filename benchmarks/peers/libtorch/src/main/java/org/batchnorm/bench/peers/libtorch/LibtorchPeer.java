package org.batchnorm.bench.peers.libtorch;

import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.stream.LongStream;
import org.batchnorm.bench.peers.Peer;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Expected;
import org.batchnorm.bench.workload.Fusion;
import org.batchnorm.bench.workload.Inputs;
import org.batchnorm.bench.workload.Operation;
import org.batchnorm.data.Layout;
import org.bytedeco.javacpp.BoolPointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.AbstractTensor;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.T_TensorTensorTensor_T;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;

/**
 * PyTorch's C++ library. {@code eager}: {@code native_batch_norm} and {@code native_batch_norm_backward}, which
 * allocate their outputs, as {@code torch.nn} does. {@code out}: the same into preallocated outputs. Without autograd,
 * whose bookkeeping is not batch norm's.
 */
public final class LibtorchPeer implements Peer {
    /** The library does not tell; this module's pom pins it. */
    private static final String VERSION = "2.10.0";

    private static final String EAGER = "eager";
    private static final String OUT = "out";
    static final double MOMENTUM = 0.1;

    @Override
    public String name() {
        return "libtorch";
    }

    @Override
    @SuppressWarnings("resource") // the guard holds for the life of the process
    public Started start(int threads) {
        torch.set_num_threads(threads);
        new NoGradGuard().retainReference();
        return new Started(
                VERSION,
                torch.get_num_threads(),
                torch.get_parallel_info().getString().replaceAll("\\s+", " ").strip());
    }

    @Override
    public List<String> variants(Operation operation, BenchShape shape) {
        return List.of(EAGER, OUT);
    }

    /** One call after the other, into preallocated outputs. */
    @Override
    public List<String> variants(Operation operation, BenchShape shape, Fusion fusion) {
        return List.of(OUT);
    }

    @Override
    public Variant prepare(String variant, Operation operation, BenchShape shape, Inputs inputs) {
        if (inputs.kind().fusion() != Fusion.NONE) {
            return new FusedCall(operation, shape, inputs);
        }
        return new Call(variant.equals(OUT), operation, shape, inputs);
    }

    private static final class Call implements Variant {
        private final Operation operation;
        private final BenchShape shape;
        private final PointerScope memory;
        private final Supplier<T_TensorTensorTensor_T> call;
        private Map<String, float[]> results = Map.of();

        Call(boolean preallocated, Operation operation, BenchShape shape, Inputs in) {
            this.operation = operation;
            this.shape = shape;
            try (PointerScope setup = new PointerScope()) {
                memory = setup.extend();
                call = preallocated ? intoOutputs(in) : eager(in);
            }
        }

        private Supplier<T_TensorTensorTensor_T> eager(Inputs in) {
            Tensor x = tensor(in.x(), shape);
            TensorOptional gamma = optional(in.gamma());
            TensorOptional runningMean = optional(in.runningMean());
            TensorOptional runningVar = optional(in.runningVar());
            if (operation == Operation.BACKWARD) {
                Inputs.BatchMoments moments = in.moments(shape);
                Tensor dy = tensor(in.dy(), shape);
                TensorOptional mean = optional(moments.mean());
                TensorOptional rstd = optional(moments.rstd());
                BoolPointer all = all();
                return () -> torch.native_batch_norm_backward(
                        dy, x, gamma, runningMean, runningVar, mean, rstd, true, Inputs.EPS, all);
            }
            TensorOptional beta = optional(in.beta());
            boolean training = operation == Operation.FORWARD;
            return () ->
                    torch.native_batch_norm(x, gamma, beta, runningMean, runningVar, training, MOMENTUM, Inputs.EPS);
        }

        private Supplier<T_TensorTensorTensor_T> intoOutputs(Inputs in) {
            Tensor x = tensor(in.x(), shape);
            TensorOptional gamma = optional(in.gamma());
            TensorOptional runningMean = optional(in.runningMean());
            TensorOptional runningVar = optional(in.runningVar());
            Tensor out = tensor(new float[shape.elements()], shape);
            if (operation == Operation.BACKWARD) {
                Inputs.BatchMoments moments = in.moments(shape);
                Tensor dy = tensor(in.dy(), shape);
                TensorOptional mean = optional(moments.mean());
                TensorOptional rstd = optional(moments.rstd());
                BoolPointer all = all();
                Tensor dgamma = tensor(new float[shape.c()]);
                Tensor dbeta = tensor(new float[shape.c()]);
                return () -> torch.native_batch_norm_backward_out(
                        out, dgamma, dbeta, dy, x, gamma, runningMean, runningVar, mean, rstd, true, Inputs.EPS, all);
            }
            TensorOptional beta = optional(in.beta());
            boolean training = operation == Operation.FORWARD;
            // Inference saves no statistics.
            Tensor mean = tensor(new float[training ? shape.c() : 0]);
            Tensor rstd = tensor(new float[training ? shape.c() : 0]);
            return () -> torch.native_batch_norm_out(
                    out, mean, rstd, x, gamma, beta, runningMean, runningVar, training, MOMENTUM, Inputs.EPS);
        }

        @Override
        public void run() {
            try (T_TensorTensorTensor_T outputs = call.get()) {
                if (results.isEmpty()) {
                    results = read(outputs);
                }
            }
        }

        @Override
        public Map<String, float[]> results() {
            return results;
        }

        @Override
        public void close() {
            memory.deallocate();
        }

        @SuppressWarnings("try") // the scope frees the views that are made within it
        private Map<String, float[]> read(T_TensorTensorTensor_T outputs) {
            try (PointerScope views = new PointerScope()) {
                return operation == Operation.BACKWARD
                        ? Map.of(
                                Expected.DX, floats(outputs.get0(), shape),
                                Expected.DGAMMA, floats(outputs.get1()),
                                Expected.DBETA, floats(outputs.get2()))
                        : Map.of(Expected.Y, floats(outputs.get0(), shape));
            }
        }
    }

    /** A tensor (N, C, spatial…) whose memory has the shape's layout. */
    static Tensor tensor(float[] values, BenchShape shape) {
        long[] extents = extents(shape);
        if (shape.layout() == Layout.CHANNELS_FIRST) {
            return AbstractTensor.create(values, extents);
        }
        long[] inMemory = new long[extents.length];
        inMemory[0] = extents[0];
        System.arraycopy(extents, 2, inMemory, 1, extents.length - 2);
        inMemory[extents.length - 1] = extents[1];
        long[] featuresSecond = LongStream.concat(
                        LongStream.of(0, extents.length - 1), LongStream.range(1, extents.length - 1))
                .toArray();
        return AbstractTensor.create(values, inMemory).permute(featuresSecond);
    }

    static Tensor tensor(float[] values) {
        return AbstractTensor.create(values);
    }

    static float[] floats(Tensor tensor, BenchShape shape) {
        if (shape.layout() == Layout.CHANNELS_FIRST) {
            return floats(tensor);
        }
        int rank = extents(shape).length;
        long[] featuresLast = LongStream.concat(
                        LongStream.concat(LongStream.of(0), LongStream.range(2, rank)), LongStream.of(1))
                .toArray();
        return floats(tensor.permute(featuresLast));
    }

    static float[] floats(Tensor tensor) {
        Tensor contiguous = tensor.contiguous();
        float[] values = new float[Math.toIntExact(contiguous.numel())];
        new FloatPointer(contiguous.data_ptr_float()).get(values);
        return values;
    }

    private static long[] extents(BenchShape shape) {
        return shape.extents().stream().mapToLong(Long::longValue).toArray();
    }

    static TensorOptional optional(float[] values) {
        return new TensorOptional(tensor(values));
    }

    static BoolPointer all() {
        return new BoolPointer(3).put(0, true).put(1, true).put(2, true);
    }
}

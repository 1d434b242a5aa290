package org.batchnorm.pytorch;

import java.util.Arrays;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.batchnorm.InTurns;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.BoolOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorArrayRefOptional;
import org.bytedeco.pytorch.TensorOptional;
import org.bytedeco.pytorch.global.torch;

/**
 * Times {@code torch.batch_norm} and {@link TensorBatchNorm} in turns, forward and backward within autograd. Their
 * gradients are compared first. A process for one thread and one for all; the machine should be idle.
 */
final class LibtorchBenchmark {
    private static final double TOLERANCE = 1e-4;

    private LibtorchBenchmark() {}

    /** Without arguments everything, in processes of its own; these get the number of threads. */
    public static void main(String[] arguments) throws Exception {
        if (arguments.length > 0) {
            torch.set_num_threads(Integer.parseInt(arguments[0]));
            InTurns.head("libtorch", "ours");
            compare(64, 1024);
            compare(256, 256);
            compare(32, 64, 28, 28);
            return;
        }
        int processors = Runtime.getRuntime().availableProcessors();
        for (int threads : IntStream.of(1, processors).distinct().toArray()) {
            System.out.printf("%n%d thread(s)%n", threads);
            InTurns.process(LibtorchBenchmark.class, Integer.toString(threads), threads);
        }
    }

    @SuppressWarnings("try") // the scope frees what is made within it
    private static void compare(long... shape) {
        int features = (int) shape[1];
        try (PointerScope scope = new PointerScope();
                TensorBatchNorm ours = new TensorBatchNorm(features)) {
            Tensor x = torch.randn(shape).requires_grad_();
            Tensor dy = torch.randn(shape);
            TensorOptional weight = new TensorOptional(torch.ones(features).requires_grad_());
            TensorOptional bias = new TensorOptional(torch.zeros(features).requires_grad_());
            TensorOptional runningMean = new TensorOptional(torch.zeros(features));
            TensorOptional runningVar = new TensorOptional(torch.ones(features));
            UnaryOperator<Tensor> own =
                    in -> torch.batch_norm(in, weight, bias, runningMean, runningVar, true, 0.1, 1e-5, false);
            pass(own, x, dy);
            Tensor expected = x.grad().clone();
            x.mutable_grad().zero_();
            pass(ours::forward, x, dy);
            double error = x.grad().sub(expected).abs().max().item_double();
            if (!(error < TOLERANCE)) {
                throw new IllegalStateException("dx differs by " + error + " at shape " + Arrays.toString(shape));
            }
            InTurns.report("layer " + Arrays.toString(shape), () -> pass(own, x, dy), () -> pass(ours::forward, x, dy));
        }
    }

    @SuppressWarnings("try") // the scope frees what is made within it
    private static void pass(UnaryOperator<Tensor> layer, Tensor x, Tensor dy) {
        try (PointerScope scope = new PointerScope()) {
            layer.apply(x).backward(dy, new BoolOptional(false), false, new TensorArrayRefOptional());
        }
    }
}

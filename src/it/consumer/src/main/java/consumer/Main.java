package consumer;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.batchnorm.BatchNorm;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.state.Safetensors;

/** Trains a layer for a step, infers with it, and keeps its state in a file. */
public final class Main {
    private Main() {}

    /** Prints what ran where; ends with 1 where a result is wrong. */
    public static void main(String[] arguments) throws Exception {
        BatchShape shape = BatchShape.of(2, 3);
        float[] values = {1, 2, 3, 3, 6, 9};
        float[] out = new float[values.length];
        Batch x = Batch.of(values, shape);
        Batch y = Batch.of(out, shape);
        try (BatchNorm layer = BatchNorm.builder(3).eps(1e-12).build()) {
            layer.forward(x, y);
            require(out[0] == -1 && out[5] == 1, "y = " + out[0] + ", ..., " + out[5]);
            layer.backward(x, y, Batch.of(new float[values.length], shape));
            require(layer.weightGradient()[1] == 2, "the gradient of the weight is " + layer.weightGradient()[1]);

            Path file = Files.createTempFile("layer", ".safetensors");
            Safetensors.write(file, layer.state(), Map.of());
            try (BatchNorm other = BatchNorm.builder(3).build()) {
                other.loadState(Safetensors.read(file).tensors());
                require(other.runningMean()[2] == layer.runningMean()[2], "the running mean");
            }
            Files.delete(file);
            System.out.println("consumer: " + layer.backendName() + ", from " + BatchNorm.class.getModule());
        }
    }

    private static void require(boolean right, String what) {
        if (!right) {
            throw new IllegalStateException("wrong: " + what);
        }
    }
}

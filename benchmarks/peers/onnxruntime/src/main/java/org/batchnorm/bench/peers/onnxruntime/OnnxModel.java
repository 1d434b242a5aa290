package org.batchnorm.bench.peers.onnxruntime;

import com.google.protobuf.ByteString;
import com.google.protobuf.CodedOutputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import org.batchnorm.bench.workload.Inputs;

/**
 * A model of one {@code BatchNormalization} in inference, as a file would have it. The numbers of the fields are those
 * of {@code onnx.proto3} (github.com/onnx/onnx).
 */
final class OnnxModel {
    /** The input, (N, C, …). */
    static final String X = "x";

    /** The output, likewise. */
    static final String Y = "y";

    private static final int IR_VERSION = 8;
    private static final int OPSET = 15;
    private static final int FLOAT = 1;
    private static final int ATTRIBUTE_FLOAT = 1;

    private OnnxModel() {}

    /**
     * The bytes of the model.
     *
     * @param extents (N, C, …)
     * @param in γ, β and the running statistics, which the model has as constants
     */
    static byte[] batchNormalization(List<Long> extents, Inputs in) {
        return message(model -> {
            model.writeInt64(1, IR_VERSION);
            model.writeByteArray(7, graph(extents, in));
            model.writeByteArray(8, message(opset -> opset.writeInt64(2, OPSET)));
        });
    }

    private static byte[] graph(List<Long> extents, Inputs in) {
        return message(graph -> {
            graph.writeByteArray(1, node());
            graph.writeString(2, "batch normalization");
            graph.writeByteArray(5, constant("scale", in.gamma()));
            graph.writeByteArray(5, constant("bias", in.beta()));
            graph.writeByteArray(5, constant("mean", in.runningMean()));
            graph.writeByteArray(5, constant("variance", in.runningVar()));
            graph.writeByteArray(11, tensor(X, extents));
            graph.writeByteArray(12, tensor(Y, extents));
        });
    }

    private static byte[] node() {
        return message(node -> {
            for (String input : List.of(X, "scale", "bias", "mean", "variance")) {
                node.writeString(1, input);
            }
            node.writeString(2, Y);
            node.writeString(4, "BatchNormalization");
            node.writeByteArray(5, message(epsilon -> {
                epsilon.writeString(1, "epsilon");
                epsilon.writeFloat(2, (float) Inputs.EPS);
                epsilon.writeEnum(20, ATTRIBUTE_FLOAT);
            }));
        });
    }

    /** A TensorProto, little-endian. */
    private static byte[] constant(String name, float[] values) {
        ByteBuffer raw = ByteBuffer.allocate(values.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
        raw.asFloatBuffer().put(values);
        return message(tensor -> {
            tensor.writeInt64(1, values.length);
            tensor.writeInt32(2, FLOAT);
            tensor.writeString(8, name);
            tensor.writeBytes(9, ByteString.copyFrom(raw));
        });
    }

    /** A ValueInfoProto: name, element type, extents. */
    private static byte[] tensor(String name, List<Long> extents) {
        byte[] shape = message(dimensions -> {
            for (long extent : extents) {
                dimensions.writeByteArray(1, message(dimension -> dimension.writeInt64(1, extent)));
            }
        });
        byte[] type = message(tensor -> {
            tensor.writeInt32(1, FLOAT);
            tensor.writeByteArray(2, shape);
        });
        return message(value -> {
            value.writeString(1, name);
            value.writeByteArray(2, message(any -> any.writeByteArray(1, type)));
        });
    }

    private static byte[] message(Fields fields) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        CodedOutputStream out = CodedOutputStream.newInstance(bytes);
        try {
            fields.writeTo(out);
            out.flush();
        } catch (IOException e) {
            throw new UncheckedIOException("memory cannot be written: " + e.getMessage(), e);
        }
        return bytes.toByteArray();
    }

    /** Writes the fields of a message. */
    private interface Fields {
        void writeTo(CodedOutputStream message) throws IOException;
    }
}

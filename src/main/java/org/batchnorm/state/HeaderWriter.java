package org.batchnorm.state;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.StreamReadConstraints;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** Writes the header of a safetensors file. */
final class HeaderWriter {
    private static final int ALIGNMENT = 8;
    private static final int NAME_CHARACTERS = StreamReadConstraints.DEFAULT_MAX_NAME_LEN;
    private static final int TEXT_CHARACTERS = StreamReadConstraints.DEFAULT_MAX_STRING_LEN;
    private static final JsonFactory JSON = new JsonFactory();

    private HeaderWriter() {}

    /**
     * Checks that what is written can be read.
     *
     * @throws IllegalArgumentException if a name, tensor or text is null, too long or no valid Unicode, or if a tensor
     *     has the metadata's name
     */
    static void requireReadable(Map<String, Tensor> tensors, Map<String, String> metadata) {
        tensors.forEach((name, tensor) -> {
            requireText("tensors: the name", name, NAME_CHARACTERS);
            if (tensor == null) {
                throw new IllegalArgumentException(
                        "tensors: null given for \"" + SafetensorsException.quoted(name) + "\", must be a tensor");
            }
            if (name.equals(SafetensorsHeader.METADATA)) {
                throw new IllegalArgumentException("tensors: a tensor named \"" + SafetensorsHeader.METADATA
                        + "\" given, must have another name: the format keeps this one");
            }
        });
        metadata.forEach((key, text) -> {
            requireText("metadata: the key", key, NAME_CHARACTERS);
            requireText("metadata: the text of \"" + SafetensorsException.quoted(key) + "\"", text, TEXT_CHARACTERS);
        });
    }

    private static void requireText(String what, @Nullable String text, int most) {
        if (text == null) {
            throw new IllegalArgumentException(what + " is null, must be a text");
        }
        if (text.length() > most) {
            throw new IllegalArgumentException(what + " \"" + SafetensorsException.quoted(text) + "\" has "
                    + text.length() + " characters, must have at most " + most + ", or it could not be read");
        }
        if (!StandardCharsets.UTF_8.newEncoder().canEncode(text)) {
            throw new IllegalArgumentException(what + " \"" + SafetensorsException.quoted(text)
                    + "\" has half of a surrogate pair in it, must be valid Unicode");
        }
    }

    /**
     * The bytes of the header for tensors that are stored one after the other in the given order. Spaces at its end
     * align the data.
     *
     * @throws IllegalArgumentException if the header is longer than the format allows
     */
    static byte[] write(List<Map.Entry<String, Tensor>> tensors, Map<String, String> metadata) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (JsonGenerator json = JSON.createGenerator(bytes)) {
            json.writeStartObject();
            if (!metadata.isEmpty()) {
                writeMetadata(json, metadata);
            }
            writeTensors(json, tensors);
            json.writeEndObject();
        }
        while (bytes.size() % ALIGNMENT != 0) {
            bytes.write(' ');
        }
        if (bytes.size() > Safetensors.MAX_HEADER_BYTES) {
            throw new IllegalArgumentException("tensors, metadata: their header has " + bytes.size()
                    + " bytes, must be at most " + Safetensors.MAX_HEADER_BYTES);
        }
        return bytes.toByteArray();
    }

    private static void writeMetadata(JsonGenerator json, Map<String, String> metadata) throws IOException {
        json.writeObjectFieldStart(SafetensorsHeader.METADATA);
        for (Map.Entry<String, String> entry : new TreeMap<>(metadata).entrySet()) {
            json.writeStringField(entry.getKey(), entry.getValue());
        }
        json.writeEndObject();
    }

    private static void writeTensors(JsonGenerator json, List<Map.Entry<String, Tensor>> tensors) throws IOException {
        long begin = 0;
        for (Map.Entry<String, Tensor> entry : tensors) {
            Tensor tensor = entry.getValue();
            long end = begin + (long) tensor.elements() * tensor.dtype().bytes();
            json.writeObjectFieldStart(entry.getKey());
            json.writeStringField("dtype", tensor.dtype().name());
            writeLongs(json, "shape", tensor.shape());
            writeLongs(json, "data_offsets", begin, end);
            json.writeEndObject();
            begin = end;
        }
    }

    private static void writeLongs(JsonGenerator json, String field, long... values) throws IOException {
        json.writeFieldName(field);
        json.writeArray(values, 0, values.length);
    }
}

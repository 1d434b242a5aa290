package org.batchnorm.state;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * The JSON header of a safetensors file: {@code {"__metadata__": {…}, "name": {"dtype": "F32", "shape": [2, 3],
 * "data_offsets": [0, 24]}, …}}.
 */
final class SafetensorsHeader {
    private static final String METADATA = "__metadata__";
    private static final int ALIGNMENT = 8;
    private static final int MAX_QUOTED = 100;
    private static final JsonFactory JSON = new JsonFactory();

    private final Path file;
    private final Map<String, Entry> entries = new LinkedHashMap<>();
    private @Nullable Map<String, String> metadata;

    private SafetensorsHeader(Path file) {
        this.file = file;
    }

    /** One tensor's line: where its elements stand, from the start of the data. */
    @SuppressWarnings("ArrayRecordComponent") // never compared
    record Entry(String name, DType dtype, long[] shape, long begin, long end) {
        long bytes() {
            return end - begin;
        }
    }

    /**
     * Parses and checks everything but where the tensors stand in the file.
     *
     * @throws SafetensorsException if the header is malformed
     */
    static SafetensorsHeader parse(Path file, byte[] json) throws IOException {
        if (json[0] != '{') {
            throw new SafetensorsException(
                    file, String.format("the header starts with byte 0x%02x, must start with '{'", json[0] & 0xff));
        }
        SafetensorsHeader header = new SafetensorsHeader(file);
        CharBuffer text;
        try {
            text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(json));
        } catch (CharacterCodingException e) {
            throw new SafetensorsException(file, "the header is no UTF-8 text", e);
        }
        try (JsonParser parser = JSON.createParser(text.array(), text.arrayOffset(), text.length())) {
            header.parse(parser);
        } catch (JsonProcessingException e) {
            throw new SafetensorsException(
                    file,
                    "the header is no valid JSON: " + e.getOriginalMessage() + " at character "
                            + (e.getLocation() == null ? 0 : e.getLocation().getCharOffset()),
                    e);
        }
        return header;
    }

    /**
     * The header's bytes for tensors that lie one after the other in the given order, padded with spaces so that the
     * data is aligned.
     */
    static byte[] format(List<Map.Entry<String, Tensor>> tensors, Map<String, String> metadata) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (JsonGenerator json = JSON.createGenerator(bytes)) {
            json.writeStartObject();
            if (!metadata.isEmpty()) {
                json.writeObjectFieldStart(METADATA);
                for (Map.Entry<String, String> entry : new TreeMap<>(metadata).entrySet()) {
                    json.writeStringField(entry.getKey(), entry.getValue());
                }
                json.writeEndObject();
            }
            long offset = 0;
            for (Map.Entry<String, Tensor> entry : tensors) {
                if (entry.getKey().equals(METADATA)) {
                    throw new IllegalArgumentException("tensors: a tensor named \"" + METADATA
                            + "\" given, must have another name: the format keeps this one");
                }
                Tensor tensor = entry.getValue();
                long end = offset + (long) tensor.elements() * tensor.dtype().bytes();
                json.writeObjectFieldStart(entry.getKey());
                json.writeStringField("dtype", tensor.dtype().name());
                writeLongs(json, "shape", tensor.shape());
                writeLongs(json, "data_offsets", offset, end);
                json.writeEndObject();
                offset = end;
            }
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

    /** The tensors in the order of their data. */
    List<Entry> entries() {
        List<Entry> ordered = new ArrayList<>(entries.values());
        ordered.sort(Comparator.comparingLong(Entry::begin).thenComparingLong(Entry::end));
        return ordered;
    }

    Map<String, String> metadata() {
        return metadata == null ? Map.of() : metadata;
    }

    /**
     * Checks that the tensors fill the data exactly.
     *
     * @param dataBytes the bytes that the file has after the header
     * @throws SafetensorsException if a tensor reaches beyond, if two overlap, or if bytes belong to none
     */
    void requireToFill(long dataBytes) throws SafetensorsException {
        long filled = 0;
        String before = "";
        for (Entry entry : entries()) {
            if (entry.end > dataBytes) {
                throw wrong(
                        entry.name,
                        "data_offsets " + offsets(entry) + " given, must end at or before " + dataBytes
                                + ", the bytes of data in the file: truncated, or wrong offsets");
            }
            if (entry.begin < filled) {
                throw wrong(
                        entry.name,
                        "data_offsets " + offsets(entry) + " overlap tensor \"" + before + "\", must start at "
                                + filled);
            }
            if (entry.begin > filled) {
                throw wrong(entry.name, "data_offsets " + offsets(entry) + " leave a gap, must start at " + filled);
            }
            filled = entry.end;
            before = entry.name;
        }
        if (filled != dataBytes) {
            throw new SafetensorsException(
                    file,
                    (dataBytes - filled) + " bytes follow the last tensor, must be 0: data must end at " + filled
                            + ", ends at " + dataBytes);
        }
    }

    private void parse(JsonParser parser) throws IOException {
        parser.nextToken();
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String name = parser.currentName();
            parser.nextToken();
            if (name.equals(METADATA)) {
                parseMetadata(parser);
            } else if (entries.put(name, parseEntry(parser, name)) != null) {
                throw wrong(name, "is there twice, must be there once");
            }
        }
        if (parser.nextToken() != null) {
            throw new SafetensorsException(
                    file, "the header goes on after its closing brace, must end there but for spaces");
        }
    }

    private void parseMetadata(JsonParser parser) throws IOException {
        if (metadata != null) {
            throw new SafetensorsException(file, METADATA + " is there twice, must be there once");
        }
        Map<String, String> values = new LinkedHashMap<>();
        if (parser.currentToken() != JsonToken.START_OBJECT) {
            throw new SafetensorsException(
                    file, METADATA + " is " + quoted(parser.getText()) + ", must be an object of strings");
        }
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String key = parser.currentName();
            if (parser.nextToken() != JsonToken.VALUE_STRING) {
                throw new SafetensorsException(
                        file, METADATA + "." + quoted(key) + " is " + quoted(parser.getText()) + ", must be a string");
            }
            if (values.put(key, parser.getText()) != null) {
                throw new SafetensorsException(
                        file, METADATA + "." + quoted(key) + " is there twice, must be there once");
            }
        }
        metadata = values;
    }

    private Entry parseEntry(JsonParser parser, String name) throws IOException {
        if (parser.currentToken() != JsonToken.START_OBJECT) {
            throw wrong(
                    name, "is " + quoted(parser.getText()) + ", must be an object with dtype, shape and data_offsets");
        }
        @Nullable DType dtype = null;
        long @Nullable [] shape = null;
        long @Nullable [] offsets = null;
        while (parser.nextToken() != JsonToken.END_OBJECT) {
            String field = parser.currentName();
            parser.nextToken();
            boolean twice = switch (field) {
                case "dtype" -> dtype != null;
                case "shape" -> shape != null;
                case "data_offsets" -> offsets != null;
                default -> false;
            };
            if (twice) {
                throw wrong(name, field + " is there twice, must be there once");
            }
            switch (field) {
                case "dtype" -> dtype = parseDType(parser, name);
                case "shape" -> shape = parseLongs(parser, name, field);
                case "data_offsets" -> offsets = parseLongs(parser, name, field);
                default -> parser.skipChildren();
            }
        }
        if (dtype == null || shape == null || offsets == null) {
            String missing = dtype == null ? "dtype" : shape == null ? "shape" : "data_offsets";
            throw wrong(name, missing + " is missing, must have dtype, shape and data_offsets");
        }
        return checked(name, dtype, shape, offsets);
    }

    private Entry checked(String name, DType dtype, long[] shape, long[] offsets) throws SafetensorsException {
        if (offsets.length != 2 || offsets[0] > offsets[1]) {
            throw wrong(
                    name, "data_offsets " + Arrays.toString(offsets) + " given, must be [begin, end] with begin ≤ end");
        }
        long elements;
        try {
            elements = Tensor.elements(shape);
        } catch (IllegalArgumentException e) {
            throw new SafetensorsException(file, "tensor \"" + quoted(name) + "\": " + e.getMessage(), e);
        }
        long bytes = offsets[1] - offsets[0];
        if (bytes % dtype.bytes() != 0 || bytes / dtype.bytes() != elements) {
            throw wrong(
                    name,
                    dtype + Arrays.toString(shape) + " has " + elements + " elements of " + dtype.bytes()
                            + " bytes, but data_offsets " + Arrays.toString(offsets) + " hold " + bytes
                            + " bytes; they must agree");
        }
        if (elements > Integer.MAX_VALUE - 8) {
            throw wrong(
                    name,
                    dtype + Arrays.toString(shape) + " has " + elements + " elements, must be at most "
                            + (Integer.MAX_VALUE - 8));
        }
        return new Entry(name, dtype, shape, offsets[0], offsets[1]);
    }

    private DType parseDType(JsonParser parser, String name) throws IOException {
        String given = parser.getText();
        for (DType dtype : DType.values()) {
            if (parser.currentToken() == JsonToken.VALUE_STRING && dtype.name().equals(given)) {
                return dtype;
            }
        }
        throw wrong(name, "dtype \"" + quoted(given) + "\" given, must be one of " + Arrays.toString(DType.values()));
    }

    private long[] parseLongs(JsonParser parser, String name, String field) throws IOException {
        if (parser.currentToken() != JsonToken.START_ARRAY) {
            throw wrong(name, field + " is " + quoted(parser.getText()) + ", must be a list of integers");
        }
        List<Long> values = new ArrayList<>();
        while (parser.nextToken() != JsonToken.END_ARRAY) {
            if (parser.currentToken() != JsonToken.VALUE_NUMBER_INT
                    || parser.getNumberType() == JsonParser.NumberType.BIG_INTEGER
                    || parser.getLongValue() < 0) {
                throw wrong(
                        name,
                        field + " has " + quoted(parser.getText()) + " in it, must be integers from 0 to 2^63 - 1");
            }
            values.add(parser.getLongValue());
        }
        return values.stream().mapToLong(Long::longValue).toArray();
    }

    private SafetensorsException wrong(String tensor, String problem) {
        return new SafetensorsException(file, "tensor \"" + quoted(tensor) + "\": " + problem);
    }

    /** A text from the file, short enough for a message. */
    private static String quoted(String text) {
        return text.length() <= MAX_QUOTED ? text : text.substring(0, MAX_QUOTED) + "…";
    }

    private static String offsets(Entry entry) {
        return "[" + entry.begin + ", " + entry.end + "]";
    }

    private static void writeLongs(JsonGenerator json, String field, long... values) throws IOException {
        json.writeFieldName(field);
        json.writeArray(values, 0, values.length);
    }
}

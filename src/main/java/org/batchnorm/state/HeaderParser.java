package org.batchnorm.state;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.batchnorm.state.SafetensorsHeader.Entry;
import org.jspecify.annotations.Nullable;

/**
 * Reads the header of a safetensors file: {@code {"__metadata__": {…}, "name": {"dtype": "F32", "shape": [2, 3],
 * "data_offsets": [0, 24]}, …}}. It refuses what the format does not allow.
 */
final class HeaderParser {
    private static final byte FIRST_BYTE = '{';
    private static final Set<String> FIELDS = Set.of("dtype", "shape", "data_offsets");
    private static final JsonFactory JSON = new JsonFactory();

    private final Path file;
    private final JsonParser json;

    private HeaderParser(Path file, JsonParser json) {
        this.file = file;
        this.json = json;
    }

    /**
     * Parses and checks everything but the places of the tensors in the file.
     *
     * @throws SafetensorsException if the header is malformed
     */
    static SafetensorsHeader parse(Path file, byte[] header) throws IOException {
        if (header[0] != FIRST_BYTE) {
            throw new SafetensorsException(
                    file, String.format("the header starts with byte 0x%02x, must start with '{'", header[0] & 0xff));
        }
        CharBuffer text = decode(file, header);
        try (JsonParser json = JSON.createParser(text.array(), text.arrayOffset(), text.length())) {
            return new HeaderParser(file, json).header();
        } catch (JsonProcessingException e) {
            throw new SafetensorsException(
                    file,
                    "the header is no valid JSON: " + e.getOriginalMessage() + " at character "
                            + (e.getLocation() == null ? 0 : e.getLocation().getCharOffset()),
                    e);
        }
    }

    private static CharBuffer decode(Path file, byte[] header) throws SafetensorsException {
        try {
            return StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(header));
        } catch (CharacterCodingException e) {
            throw new SafetensorsException(file, "the header is no UTF-8 text", e);
        }
    }

    private SafetensorsHeader header() throws IOException {
        Map<String, Entry> entries = new LinkedHashMap<>();
        @Nullable Map<String, String> metadata = null;
        json.nextToken();
        while (json.nextToken() != JsonToken.END_OBJECT) {
            String name = json.currentName();
            json.nextToken();
            if (!name.equals(SafetensorsHeader.METADATA)) {
                if (entries.put(name, entry(name)) != null) {
                    throw wrong(name, "is there twice, must be there once");
                }
            } else if (metadata == null) {
                metadata = metadata();
            } else {
                throw new SafetensorsException(file, name + " is there twice, must be there once");
            }
        }
        if (json.nextToken() != null) {
            throw new SafetensorsException(
                    file, "the header goes on after its closing brace, must end there but for spaces");
        }
        List<Entry> ordered = new ArrayList<>(entries.values());
        ordered.sort(Comparator.comparingLong(Entry::begin).thenComparingLong(Entry::end));
        return new SafetensorsHeader(ordered, metadata == null ? Map.of() : metadata);
    }

    private Map<String, String> metadata() throws IOException {
        if (json.currentToken() != JsonToken.START_OBJECT) {
            throw new SafetensorsException(
                    file, SafetensorsHeader.METADATA + " is " + value() + ", must be an object of strings");
        }
        Map<String, String> metadata = new LinkedHashMap<>();
        while (json.nextToken() != JsonToken.END_OBJECT) {
            String key = json.currentName();
            String place = SafetensorsHeader.METADATA + "." + SafetensorsException.quoted(key);
            if (json.nextToken() != JsonToken.VALUE_STRING) {
                throw new SafetensorsException(file, place + " is " + value() + ", must be a string");
            }
            if (metadata.put(key, json.getText()) != null) {
                throw new SafetensorsException(file, place + " is there twice, must be there once");
            }
        }
        return metadata;
    }

    private Entry entry(String name) throws IOException {
        if (json.currentToken() != JsonToken.START_OBJECT) {
            throw wrong(name, "is " + value() + ", must be an object with dtype, shape and data_offsets");
        }
        @Nullable String dtype = null;
        long @Nullable [] shape = null;
        long @Nullable [] offsets = null;
        Set<String> seen = new HashSet<>();
        while (json.nextToken() != JsonToken.END_OBJECT) {
            String field = json.currentName();
            json.nextToken();
            if (FIELDS.contains(field) && !seen.add(field)) {
                throw wrong(name, field + " is there twice, must be there once");
            }
            switch (field) {
                case "dtype" -> dtype = dtype(name);
                case "shape" -> shape = longs(name, field);
                case "data_offsets" -> offsets = longs(name, field);
                default -> json.skipChildren();
            }
        }
        if (dtype == null || shape == null || offsets == null) {
            String missing = dtype == null ? "dtype" : shape == null ? "shape" : "data_offsets";
            throw wrong(name, missing + " is missing, must have dtype, shape and data_offsets");
        }
        if (offsets.length != 2 || offsets[0] > offsets[1]) {
            throw wrong(
                    name, "data_offsets " + Arrays.toString(offsets) + " given, must be [begin, end] with begin ≤ end");
        }
        Entry entry = new Entry(name, dtype, shape, offsets[0], offsets[1]);
        requireBytesOfShape(entry);
        return entry;
    }

    /** That the bytes are those of the shape can be told of types with a known size. */
    private void requireBytesOfShape(Entry entry) throws SafetensorsException {
        long elements;
        try {
            elements = Tensor.elements(entry.shape());
        } catch (IllegalArgumentException e) {
            throw SafetensorsException.ofTensor(file, entry.name(), String.valueOf(e.getMessage()), e);
        }
        int size = DType.named(entry.type()).map(DType::bytes).orElse(0);
        long bytes = entry.bytes();
        if (size != 0 && (bytes % size != 0 || bytes / size != elements)) {
            throw wrong(
                    entry.name(),
                    entry + " has " + elements + " elements of " + size + " bytes, but " + entry.offsets() + " hold "
                            + bytes + " bytes; they must agree");
        }
    }

    private String dtype(String name) throws IOException {
        if (json.currentToken() != JsonToken.VALUE_STRING) {
            throw wrong(name, "dtype is " + value() + ", must be a string such as \"F32\"");
        }
        return json.getText();
    }

    private long[] longs(String name, String field) throws IOException {
        if (json.currentToken() != JsonToken.START_ARRAY) {
            throw wrong(name, field + " is " + value() + ", must be a list of integers");
        }
        List<Long> values = new ArrayList<>();
        while (json.nextToken() != JsonToken.END_ARRAY) {
            if (json.currentToken() != JsonToken.VALUE_NUMBER_INT
                    || json.getNumberType() == JsonParser.NumberType.BIG_INTEGER
                    || json.getLongValue() < 0) {
                throw wrong(name, field + " has " + value() + " in it, must be integers from 0 to 2^63 - 1");
            }
            values.add(json.getLongValue());
        }
        return values.stream().mapToLong(Long::longValue).toArray();
    }

    /** The text of the parser's current token, short enough for a message. */
    private String value() throws IOException {
        return SafetensorsException.quoted(json.getText());
    }

    private SafetensorsException wrong(String tensor, String problem) {
        return SafetensorsException.ofTensor(file, tensor, problem);
    }
}

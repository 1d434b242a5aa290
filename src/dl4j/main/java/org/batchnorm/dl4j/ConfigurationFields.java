package org.batchnorm.dl4j;

import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.List;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * The fields of Deeplearning4j's configurations. The constructor of batch normalization's from a builder is private,
 * and its setters are many and of several classes, so that a list of them would miss the next one.
 */
final class ConfigurationFields {
    private ConfigurationFields() {}

    /** Copies all fields of Deeplearning4j's batch normalization and of the classes that it extends. */
    static void copy(
            org.deeplearning4j.nn.conf.layers.BatchNormalization from,
            org.deeplearning4j.nn.conf.layers.BatchNormalization to) {
        for (Field field : of(org.deeplearning4j.nn.conf.layers.BatchNormalization.class)) {
            set(field, to, get(field, from));
        }
    }

    /** Replaces the values of all fields of one type, where there are such. */
    static <T> void replaceAll(Object owner, Class<T> type, UnaryOperator<T> replacement) {
        for (Field field : of(owner.getClass())) {
            if (field.getType() == type) {
                T value = type.cast(get(field, owner));
                if (value != null) {
                    set(field, owner, replacement.apply(value));
                }
            }
        }
    }

    /** The fields of a class and of those that it extends, static ones left out. */
    static List<Field> of(Class<?> owner) {
        List<Field> fields = new ArrayList<>();
        for (Class<?> declaring = owner; declaring != null; declaring = declaring.getSuperclass()) {
            for (Field field : declaring.getDeclaredFields()) {
                if (!Modifier.isStatic(field.getModifiers())) {
                    fields.add(field);
                }
            }
        }
        return fields;
    }

    private static @Nullable Object get(Field field, Object owner) {
        try {
            field.setAccessible(true);
            return field.get(owner);
        } catch (IllegalAccessException e) {
            throw new IllegalStateException("the field " + field + " cannot be read", e);
        }
    }

    private static void set(Field field, Object owner, @Nullable Object value) {
        try {
            field.setAccessible(true);
            field.set(owner, value);
        } catch (IllegalAccessException e) {
            throw new IllegalStateException("the field " + field + " cannot be set", e);
        }
    }
}

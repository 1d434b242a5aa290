package org.batchnorm.tornadovm;

import java.lang.classfile.CodeBuilder;
import java.lang.constant.ClassDesc;
import java.lang.constant.ConstantDescs;
import java.lang.constant.MethodTypeDesc;
import java.util.Arrays;
import java.util.Optional;
import uk.ac.manchester.tornado.api.types.BFloat16;
import uk.ac.manchester.tornado.api.types.HalfFloat;
import uk.ac.manchester.tornado.api.types.arrays.BFloat16Array;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;
import uk.ac.manchester.tornado.api.types.arrays.HalfFloatArray;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/** The arrays in which a batch may lie on a device, and the bytecode that takes their values for float32. */
enum BatchArray {
    FLOAT32(FloatArray.class) {
        @Override
        void load(CodeBuilder code) {
            code.invokevirtual(array(), "get", LOAD_FLOAT);
        }

        @Override
        void store(CodeBuilder code) {
            code.invokevirtual(array(), "set", STORE_FLOAT);
        }
    },

    FLOAT16(HalfFloatArray.class) {
        @Override
        void load(CodeBuilder code) {
            code.invokevirtual(array(), "get", MethodTypeDesc.of(HALF, ConstantDescs.CD_int))
                    .invokevirtual(HALF, "getFloat32", MethodTypeDesc.of(ConstantDescs.CD_float));
        }

        @Override
        void store(CodeBuilder code) {
            code.new_(HALF)
                    .dup_x1()
                    .swap()
                    .invokespecial(HALF, ConstantDescs.INIT_NAME, CONSUME_FLOAT)
                    .invokevirtual(
                            array(), "set", MethodTypeDesc.of(ConstantDescs.CD_void, ConstantDescs.CD_int, HALF));
        }
    },

    BFLOAT16(BFloat16Array.class) {
        @Override
        void load(CodeBuilder code) {
            code.invokevirtual(array(), "get", MethodTypeDesc.of(ConstantDescs.CD_short, ConstantDescs.CD_int))
                    .invokestatic(
                            BRAIN, "bf16ToFloat", MethodTypeDesc.of(ConstantDescs.CD_float, ConstantDescs.CD_short));
        }

        @Override
        void store(CodeBuilder code) {
            code.invokestatic(BRAIN, "bf16FromFloat", MethodTypeDesc.of(ConstantDescs.CD_short, ConstantDescs.CD_float))
                    .invokevirtual(
                            array(),
                            "set",
                            MethodTypeDesc.of(ConstantDescs.CD_void, ConstantDescs.CD_int, ConstantDescs.CD_short));
        }
    };

    private static final ClassDesc HALF = describe(HalfFloat.class);
    private static final ClassDesc BRAIN = describe(BFloat16.class);
    private static final MethodTypeDesc LOAD_FLOAT = MethodTypeDesc.of(ConstantDescs.CD_float, ConstantDescs.CD_int);
    private static final MethodTypeDesc STORE_FLOAT =
            MethodTypeDesc.of(ConstantDescs.CD_void, ConstantDescs.CD_int, ConstantDescs.CD_float);
    private static final MethodTypeDesc CONSUME_FLOAT =
            MethodTypeDesc.of(ConstantDescs.CD_void, ConstantDescs.CD_float);

    private final Class<? extends TornadoNativeArray> type;

    BatchArray(Class<? extends TornadoNativeArray> type) {
        this.type = type;
    }

    /** What an array is, if a batch may lie in it. */
    static Optional<BatchArray> of(Object array) {
        return Arrays.stream(values())
                .filter(kind -> kind.type.isInstance(array))
                .findFirst();
    }

    /** Replaces the array and the index on the stack by the value. */
    abstract void load(CodeBuilder code);

    /** Takes the array, the index and the value, float32, from the stack; the value is rounded to the type. */
    abstract void store(CodeBuilder code);

    /** The class of such arrays. */
    ClassDesc array() {
        return describe(type);
    }

    static ClassDesc describe(Class<?> type) {
        return type.describeConstable().orElseThrow();
    }
}

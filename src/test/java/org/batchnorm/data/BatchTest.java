package org.batchnorm.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import org.junit.jupiter.api.Test;

class BatchTest {
    private static final BatchShape SHAPE = BatchShape.of(4, 3);
    private static final long BYTES = 48;

    @Test
    void anArrayMayBeLongerThanTheBatch() {
        float[] values = new float[20];
        Batch batch = Batch.of(values, SHAPE);
        assertThat(batch.isArray()).isTrue();
        assertThat(batch.array()).isSameAs(values);
        assertThat(batch.start()).isZero();
        assertThat(batch.shape()).isEqualTo(SHAPE);
        assertThat(batch.type()).isEqualTo(ElementType.FLOAT32);
        assertThat(batch.segment().byteSize()).isEqualTo(80);
        assertThat(batch).hasToString("FLOAT32 (4, 3)");
    }

    @Test
    void aSegmentOverAnArrayGivesTheArrayAway() {
        float[] values = new float[20];
        Batch batch = Batch.of(MemorySegment.ofArray(values).asSlice(12), ElementType.FLOAT32, SHAPE);
        assertThat(batch.isArray()).isTrue();
        assertThat(batch.array()).isSameAs(values);
        assertThat(batch.start()).isEqualTo(3);
        assertThat(batch.segment().byteSize()).isEqualTo(68);
    }

    @Test
    void otherMemoryIsNoArray() {
        try (Arena arena = Arena.ofConfined()) {
            for (MemorySegment segment : List.of(
                    arena.allocate(BYTES, 4),
                    MemorySegment.ofArray(new int[12]),
                    MemorySegment.ofArray(new float[12]).asReadOnly())) {
                Batch batch = Batch.of(segment, SHAPE);
                assertThat(batch.isArray()).isFalse();
                assertThat(batch.start()).isZero();
                assertThat(batch.segment()).isEqualTo(segment);
                assertThatThrownBy(batch::array).hasMessage("the batch is not in an array");
            }
        }
    }

    @Test
    void anArrayOfSixteenBits() {
        short[] values = new short[20];
        Batch batch = Batch.of(values, ElementType.FLOAT16, SHAPE);
        assertThat(batch.type()).isEqualTo(ElementType.FLOAT16);
        assertThat(batch.isArray()).isTrue();
        assertThat(batch.shorts()).isSameAs(values);
        assertThat(batch.bytes()).isEqualTo(24);
        assertThat(batch.segment().byteSize()).isEqualTo(40);
        assertThatThrownBy(batch::array).hasMessage("the batch is not in a float[]");
        Batch part = Batch.of(MemorySegment.ofArray(values).asSlice(6), ElementType.BFLOAT16, SHAPE);
        assertThat(part.shorts()).isSameAs(values);
        assertThat(part.start()).isEqualTo(3);
        assertThat(part.samples(1, 2).start()).isEqualTo(6);
        assertThat(part.overlap(batch)).isEqualTo(18);
        assertThat(part.isSameMemory(batch)).isFalse();
        Batch other = Batch.of(values, ElementType.BFLOAT16, SHAPE);
        assertThat(batch.isSameMemory(other)).as("of types as wide").isTrue();
        assertThat(batch.overlap(Batch.of(new short[12], ElementType.FLOAT16, SHAPE)))
                .isZero();
        Batch readOnly = Batch.of(MemorySegment.ofArray(values).asReadOnly(), ElementType.FLOAT16, SHAPE);
        assertThat(readOnly.isArray()).isFalse();
        assertThat(readOnly.isSameMemory(batch)).isTrue();
        assertThatThrownBy(Batch.of(new float[12], SHAPE)::shorts).hasMessage("the batch is not in a short[]");
        try (Arena arena = Arena.ofConfined()) {
            MemorySegment memory = arena.allocate(BYTES, 4);
            Batch narrow = Batch.of(memory, ElementType.FLOAT16, SHAPE);
            Batch wide = Batch.of(memory, SHAPE);
            assertThat(narrow.overlap(wide)).isEqualTo(24);
            assertThat(narrow.isSameMemory(wide)).as("of types that are not").isFalse();
        }
    }

    @Test
    void arraysOfSixteenBitsThatAreNone() {
        assertThatThrownBy(() -> Batch.of(new short[12], ElementType.FLOAT32, SHAPE))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("type: FLOAT32 given for values, a short[], must be FLOAT16 or BFLOAT16; values of FLOAT32"
                        + " are given in a float[] or a MemorySegment");
        assertThatThrownBy(() -> Batch.of("x", new short[11], ElementType.FLOAT16, SHAPE))
                .hasMessage("x: short[11] given, must have at least the 12 elements of shape (4, 3)");
        assertThatThrownBy(() -> Batch.of(new short[12], null, SHAPE))
                .hasMessage("type: null given, must be an ElementType");
        assertThatThrownBy(() -> Batch.of((short[]) null, ElementType.FLOAT16, SHAPE))
                .hasMessage("values: null given, must be a short[]");
        assertThatThrownBy(() -> Batch.of(MemorySegment.ofArray(new byte[24]), ElementType.FLOAT16, SHAPE))
                .hasMessage(
                        "memory: segment aligned to 1 bytes given, must be aligned to 2 (native memory at a multiple"
                                + " of it, or a heap segment over a short[])");
        assertThatThrownBy(() -> Batch.of(MemorySegment.ofArray(new short[11]), ElementType.BFLOAT16, SHAPE))
                .hasMessage("memory: segment of 22 bytes given, must have at least the 24 bytes of shape (4, 3)");
    }

    @Test
    void someSamplesAreAView() {
        float[] values = new float[20];
        Batch whole = Batch.of(MemorySegment.ofArray(values).asSlice(8), SHAPE);
        Batch some = whole.samples(1, 2);
        assertThat(some.shape()).isEqualTo(BatchShape.of(2, 3));
        assertThat(some.array()).isSameAs(values);
        assertThat(some.start()).isEqualTo(5);
        assertThat(some.segment().byteSize()).isEqualTo(24);
        assertThat(Batch.of(values, SHAPE).samples(3, 1).start()).isEqualTo(9);
        assertThat(whole.samples(4, 0).shape().n()).isZero();
        MemorySegment readOnly = MemorySegment.ofArray(values).asReadOnly();
        assertThat(Batch.of(readOnly, BatchShape.channelsLast(2, 3, 3))
                        .samples(1, 1)
                        .segment())
                .isEqualTo(readOnly.asSlice(36, 36));
        for (long[] bad : new long[][] {{-1, 1}, {0, 5}, {3, 2}, {5, 0}, {0, -1}, {1, Long.MAX_VALUE}}) {
            assertThatThrownBy(() -> whole.samples(bad[0], bad[1]))
                    .isInstanceOf(IllegalArgumentException.class)
                    .hasMessage("samples: " + bad[1] + " from " + bad[0]
                            + " on given, must be within the 4 of shape (4, 3)");
        }
    }

    @Test
    void tooLittleMemoryIsRefused() {
        assertThatThrownBy(() -> Batch.of(new float[11], SHAPE))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("values: float[11] given, must have at least the 12 elements of shape (4, 3)");
        assertThatThrownBy(() -> Batch.of("x", new float[11], BatchShape.of(1L << 30, 3)))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("x: shape (1073741824, 3) has 3221225472 elements")
                .hasMessageEndingWith("give a MemorySegment");
        assertThatThrownBy(() -> Batch.of(MemorySegment.ofArray(new float[11]), SHAPE))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessage("memory: segment of 44 bytes given, must have at least the 48 bytes of shape (4, 3)");
        assertThatThrownBy(() -> Batch.of(MemorySegment.ofArray(new byte[48]), SHAPE))
                .isInstanceOf(IllegalArgumentException.class)
                .hasMessageStartingWith("memory: segment aligned to 1 bytes given, must be aligned to 4");
    }

    /** Every way to see the same twelve floats is the same memory, and only what is in use overlaps. */
    @Test
    void memoryIsComparedByWhatIsInUse() {
        try (Arena arena = Arena.ofConfined()) {
            float[] array = new float[36];
            MemorySegment ofArray = MemorySegment.ofArray(array);
            MemorySegment ofInts = MemorySegment.ofArray(new int[36]);
            MemorySegment offHeap = arena.allocate(ValueLayout.JAVA_FLOAT, 36);
            Batch inArray = Batch.of(array, SHAPE);
            for (MemorySegment memory : List.of(ofArray, ofInts, offHeap)) {
                Batch whole = Batch.of(memory, SHAPE);
                for (MemorySegment view : List.of(memory, memory.asReadOnly(), memory.asSlice(0, BYTES))) {
                    assertSame(whole, Batch.of(view, SHAPE));
                }
                for (MemorySegment view : List.of(memory, memory.asReadOnly())) {
                    assertOverlap(whole, Batch.of(view.asSlice(BYTES), SHAPE), 0);
                    assertOverlap(whole, Batch.of(view.asSlice(BYTES - 8), SHAPE), 8);
                    assertOverlap(whole, Batch.of(view.asSlice(8), BatchShape.of(1, 3)), 12);
                    assertOverlap(whole, Batch.of(view, BatchShape.of(0, 3)), 0);
                }
            }
            assertSame(inArray, Batch.of(ofArray, SHAPE));
            assertSame(inArray, Batch.of(ofArray.asReadOnly(), SHAPE));
            assertOverlap(inArray, Batch.of(ofInts, SHAPE), 0);
            assertOverlap(inArray, Batch.of(offHeap, SHAPE), 0);
            assertOverlap(inArray, Batch.of(array.clone(), SHAPE), 0);
            assertOverlap(Batch.of(ofInts, SHAPE), Batch.of(ofArray.asReadOnly(), SHAPE), 0);
        }
    }

    private static void assertSame(Batch one, Batch other) {
        assertThat(one.isSameMemory(other)).isTrue();
        assertThat(other.isSameMemory(one)).isTrue();
        assertThat(one.overlap(other)).isEqualTo(BYTES);
        assertThat(other.overlap(one)).isEqualTo(BYTES);
    }

    private static void assertOverlap(Batch one, Batch other, long bytes) {
        assertThat(one.overlap(other)).isEqualTo(bytes);
        assertThat(other.overlap(one)).isEqualTo(bytes);
        if (other.shape().elements() > 0) {
            assertThat(one.isSameMemory(other)).isFalse();
            assertThat(other.isSameMemory(one)).isFalse();
        }
    }
}

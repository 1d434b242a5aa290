package org.batchnorm.tornadovm.backend;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.jspecify.annotations.Nullable;
import uk.ac.manchester.tornado.api.types.arrays.TornadoNativeArray;

/**
 * Host memory for batches that the backend {@code tornadovm} hands to the device as it is; any other memory it copies
 * once on the host.
 *
 * <pre>{@code
 * try (TransferBuffer x = TransferBuffer.allocate(shape); TransferBuffer y = TransferBuffer.allocate(shape)) {
 *     fill(x.segment());
 *     layer.forward(x.segment(), y.segment(), shape);
 * }
 * }</pre>
 *
 * <p>TornadoVM wants a header in front of an array's values. It lies before {@link #segment()}, which is a segment like
 * any other, for the other backends too.
 *
 * <p>Execution plans are compiled for the buffers that they work on: each combination of buffers that an operation gets
 * costs a compilation (seconds on some devices) once. So allocate a few, for the largest batch, and use them again. The
 * buffer is used without a copy where the operation gets the very segment of {@link #segment()}, not a part from its
 * middle. Output that goes to a buffer in which an input lies is copied all the same, so that a device that fails
 * half-way leaves the input whole; else all of the buffer is overwritten, behind the output as well.
 */
public final class TransferBuffer implements AutoCloseable {
    private static final int ALIGNMENT = 64;

    /** All open buffers by the address of their values. */
    private static final Map<Long, TransferBuffer> OPEN = new ConcurrentHashMap<>();

    private final Arena arena;
    private final MemorySegment withHeader;
    private final MemorySegment segment;
    private boolean closed;

    @SuppressWarnings("MustBeClosedChecker") // close() closes the arena.
    private TransferBuffer(long bytes) {
        long header = TornadoNativeArray.ARRAY_HEADER;
        long before = ALIGNMENT - header;
        this.arena = Arena.ofShared();
        this.withHeader = arena.allocate(ALIGNMENT + bytes, ALIGNMENT).asSlice(before);
        this.segment = withHeader.asSlice(header);
    }

    /** {@link #allocate(BatchShape, ElementType)} for FLOAT32 and the 16-bit types. */
    public static TransferBuffer allocate(BatchShape largest) {
        return allocate(largest, ElementType.FLOAT32);
    }

    /**
     * A zeroed buffer.
     *
     * @param largest the largest batch that it is for
     * @param type of the batch's values
     * @throws IllegalArgumentException if the shape has more values than TornadoVM can address
     * @throws org.batchnorm.spi.BackendUnavailableException if TornadoVM cannot be used here
     */
    public static TransferBuffer allocate(BatchShape largest, ElementType type) {
        TornadoBackend.requireUsable();
        TransferBuffer buffer =
                new TransferBuffer(HostPlan.capacity("largest", largest).elements() * type.bytes());
        OPEN.put(buffer.segment.address(), buffer);
        return buffer;
    }

    /**
     * The values, aligned to 64 bytes: somewhat more than the largest batch has. A buffer for float32 holds twice as
     * many of a 16-bit type. Any thread may use it until {@link #close()}.
     */
    public MemorySegment segment() {
        return segment;
    }

    /** The buffer whose values begin where the segment does, if it has so many bytes. */
    static @Nullable TransferBuffer of(MemorySegment segment, long bytes) {
        TransferBuffer buffer = segment.isNative() ? OPEN.get(segment.address()) : null;
        return buffer != null && buffer.segment.byteSize() >= bytes ? buffer : null;
    }

    /** Values of so many bytes with TornadoVM's header in front. */
    MemorySegment withHeader(long bytes) {
        return withHeader.asSlice(0, TornadoNativeArray.ARRAY_HEADER + bytes);
    }

    /**
     * Frees the memory, after the operation that works on it has ended, and the plans that were compiled for it.
     * Idempotent.
     */
    @Override
    public synchronized void close() {
        if (closed) {
            return;
        }
        closed = true;
        OPEN.remove(segment.address());
        DeviceSession.forget(this);
        arena.close();
    }
}

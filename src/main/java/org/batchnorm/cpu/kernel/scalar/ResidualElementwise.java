package org.batchnorm.cpu.kernel.scalar;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.Objects;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.Conversions;
import org.batchnorm.cpu.kernel.Elementwise;
import org.batchnorm.cpu.kernel.Kernels;
import org.batchnorm.cpu.kernel.Memory;
import org.batchnorm.cpu.kernel.Operands;
import org.batchnorm.cpu.kernel.Rows;
import org.batchnorm.cpu.kernel.Runs;
import org.batchnorm.cpu.kernel.Tile;
import org.jspecify.annotations.Nullable;

/**
 * {@link Elementwise} with a residual, {@code y = output(BN(input(x)) + residual)}. The backend's kernel maps a piece
 * of x, which fits into the caches, to scratch memory; there the residual is added, and the activation applied. So y
 * may be the memory of x or of the residual. Each participant of an operation has one of these.
 */
public final class ResidualElementwise implements Elementwise {
    /** The values of a piece. Of fewer rows than two, kernels that take rows in pairs take each twice. */
    private static final int SIZE = 8192;

    private final Tile tile;
    private final Rows rows;
    private final Runs runs;
    private final Operands piece = new Operands();
    private float[] inArray = {};
    private MemorySegment inSegment = MemorySegment.NULL;
    private MemorySegment inNative = MemorySegment.NULL;
    private @Nullable Elementwise kernel;
    private @Nullable Conversions conversions;

    /**
     * A map for many operations, one after the other.
     *
     * @param tile the scratch of the thread
     */
    public ResidualElementwise(Tile tile) {
        this.tile = tile;
        this.rows = new Rows(tile);
        this.runs = new Runs(tile);
    }

    /** Takes an operation. */
    public ResidualElementwise of(Kernels kernels, Operands mapped) {
        reserve();
        Object out = mapped.x instanceof float[] ? inArray : Memory.isNative(mapped.x) ? inNative : inSegment;
        piece.setPiece(mapped, out);
        kernel = kernels.elementwise(piece);
        conversions = kernels.conversions();
        return this;
    }

    /** Lets go of the caller's memory. */
    public void clear() {
        piece.clear();
    }

    private void reserve() {
        if (inArray.length == 0) {
            inArray = new float[SIZE];
            inSegment = MemorySegment.ofArray(inArray);
            inNative = Arena.ofAuto().allocate(SIZE * (long) Float.BYTES, 64);
        }
    }

    @Override
    public void rows(Operands o, Rows r, Coefficients c) {
        Elementwise inner = Objects.requireNonNull(kernel);
        rows.cached = r.cached;
        rows.fourAtOnce = r.fourAtOnce;
        for (int from = r.from, to; from < r.to; from = to) {
            to = Math.min(from + SIZE, r.to);
            int together = rowsTogether(r.width, to - from);
            for (long i = 0; i < r.count; i += together) {
                int count = (int) Math.min(together, r.count - i);
                long first = r.first + i * r.width;
                piece.outStart = -(first + from);
                inner.rows(piece, rows.columns(r.width, from, to).rows(first, count), c);
                if (to - from == r.width) {
                    add(o, first, count * r.width);
                } else {
                    for (int k = 0; k < count; k++) {
                        add(o, first + (long) k * r.width + from, to - from);
                    }
                }
            }
        }
    }

    /** The rows of a piece, an even number where they are several; in scratch they are as far apart as elsewhere. */
    private static int rowsTogether(int width, int columns) {
        int fit = (SIZE - columns) / width + 1;
        return fit > 1 ? fit & -2 : 1;
    }

    @Override
    public void runs(Operands o, Runs r, Coefficients c) {
        int length = Math.min(r.length, SIZE);
        int together = r.channelApart == r.length ? Math.max(SIZE / length, 1) : 1;
        for (long i = 0; i < r.images; i++) {
            for (int channel = r.from; channel < r.to; channel += together) {
                int end = Math.min(channel + together, r.to);
                long run = r.first + i * r.imageApart + (channel - r.from) * r.channelApart;
                runs.images(1, r.imageApart).channels(channel, end, r.channelApart);
                for (int j = 0; j < r.length; j += length) {
                    runs(o, run + j, Math.min(length, r.length - j), c);
                }
            }
        }
    }

    /** Runs of the same positions of neighbouring channels, which are several only where one follows the other. */
    private void runs(Operands o, long first, int length, Coefficients c) {
        piece.outStart = -first;
        Objects.requireNonNull(kernel).runs(piece, runs.values(first, length), c);
        add(o, first, length * (runs.to - runs.from));
    }

    /** {@code y = output(scratch + residual)} of neighbouring values. */
    private void add(Operands o, long first, int length) {
        Conversions by = Objects.requireNonNull(conversions);
        for (int k = 0; k < length; k += Tile.SIZE) {
            int values = Math.min(Tile.SIZE, length - k);
            Memory.read(piece.out, piece.outStart + first + k, tile.a, values);
            o.readResidual(by, first + k, tile.b, values, tile);
            add(tile.a, tile.b, values);
            ScalarInputs.apply(o.output, tile.a, values);
            o.write(by, tile.a, first + k, values, tile);
        }
    }

    private static void add(float[] values, float[] more, int length) {
        for (int j = 0; j < length; j++) {
            values[j] += more[j];
        }
    }
}

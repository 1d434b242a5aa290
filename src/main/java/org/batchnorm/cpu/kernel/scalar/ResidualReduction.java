package org.batchnorm.cpu.kernel.scalar;

import java.util.Objects;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.ColumnSums;
import org.batchnorm.cpu.kernel.Kernels;
import org.batchnorm.cpu.kernel.Operands;
import org.batchnorm.cpu.kernel.Reduction;
import org.batchnorm.cpu.kernel.ResidualGradient;
import org.batchnorm.cpu.kernel.Rows;
import org.batchnorm.cpu.kernel.Runs;
import org.batchnorm.cpu.kernel.Sums;
import org.batchnorm.cpu.kernel.Tile;
import org.jspecify.annotations.Nullable;

/**
 * {@link Reduction} of gradients behind a residual: {@code dresidual = dy · output′(y)} is written, and while a piece
 * of it is in the caches, the backend's kernel reduces it with x. Each value is read once and written once, so
 * dresidual may be the memory of dy or of y; then nobody may do so twice. Each participant of an operation has one of
 * these.
 */
public final class ResidualReduction implements Reduction {
    /** About the values of a piece. */
    private static final int SIZE = 16 * 1024;

    /** The most columns of a piece, and no fewer: of narrower rows, some kernels take several as one. */
    private static final int COLUMNS = Tile.SIZE;

    private final Tile tile;
    private final Rows rows;
    private final Runs runs;
    private @Nullable Operands operands;
    private @Nullable ResidualGradient gradient;
    private @Nullable Reduction kernel;

    /**
     * A reduction for many operations, one after the other.
     *
     * @param tile the scratch of the thread
     */
    public ResidualReduction(Tile tile) {
        this.tile = tile;
        this.rows = new Rows(tile);
        this.runs = new Runs(tile);
    }

    /**
     * Takes an operation.
     *
     * @param kernels the backend's
     * @param newKernel that reduces x and dresidual
     * @param newOperands y, dy, and as the output dresidual
     */
    public ResidualReduction of(Kernels kernels, Reduction newKernel, Operands newOperands) {
        gradient = kernels.residualGradient(newOperands);
        kernel = newKernel;
        operands = newOperands;
        return this;
    }

    private Reduction kernel() {
        return Objects.requireNonNull(kernel);
    }

    @Override
    public int streams(Operands o, boolean cached, int width) {
        return kernel().streams(o, cached, width);
    }

    @Override
    public int strip(Operands o, Rows r) {
        return kernel().strip(o, r);
    }

    @Override
    public void sample(Operands o, Rows r, Coefficients c) {
        kernel().sample(o, r, c);
    }

    /** Pieces of rows have some rows of each stream, as many as are added up together: so the bits do not change. */
    @Override
    public void rows(Operands o, Rows r, Coefficients c, ColumnSums s) {
        int strip = strip(o, r);
        for (int from = r.from, to; from < r.to; from = to) {
            to = Math.min(from + COLUMNS, r.to);
            int atOnce = Math.max(SIZE / ((to - from) * r.streams) / strip, 1) * strip;
            for (long i = 0; i < r.count; i += atOnce) {
                rows.columns(r.width, from, to).rows(r.first + i * r.width, Math.min(atOnce, r.count - i));
                rows.streams(r.streams, r.apart);
                for (int k = 0; k < r.streams; k++) {
                    differentiate(rows, k * r.apart);
                }
                kernel().rows(o, rows, c, s);
            }
        }
    }

    private void differentiate(Rows r, long apart) {
        long first = r.first + apart + r.from;
        int columns = r.to - r.from;
        if (columns == r.width) {
            differentiate(first, r.count * columns);
            return;
        }
        for (long i = 0; i < r.count; i++) {
            differentiate(first + i * r.width, columns);
        }
    }

    @Override
    public void runs(Operands o, Runs r, Coefficients c, Sums s) {
        int together = r.channelApart == r.length ? (int) Math.max(SIZE / (r.images * r.length), 1) : 1;
        for (int channel = r.from; channel < r.to; channel += together) {
            int end = Math.min(channel + together, r.to);
            long run = r.first + (channel - r.from) * r.channelApart;
            for (long i = 0; i < r.images; i++) {
                differentiate(run + i * r.imageApart, (long) r.length * (end - channel));
            }
            runs.images(r.images, r.imageApart).channels(channel, end, r.channelApart);
            kernel().runs(o, runs.values(run, r.length), c, s);
        }
    }

    private void differentiate(long first, long length) {
        Operands of = Objects.requireNonNull(operands);
        Objects.requireNonNull(gradient).write(of, first, (int) length, tile);
    }

    /** Lets go of the caller's memory. */
    public void clear() {
        operands = null;
    }
}

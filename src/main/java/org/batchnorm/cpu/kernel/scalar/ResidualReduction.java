package org.batchnorm.cpu.kernel.scalar;

import java.util.Objects;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.ColumnSums;
import org.batchnorm.cpu.kernel.Conversions;
import org.batchnorm.cpu.kernel.Kernels;
import org.batchnorm.cpu.kernel.Operands;
import org.batchnorm.cpu.kernel.Reduction;
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

    /** No fewer columns: of narrower rows, some kernels take several as one, which must not be cut. */
    private static final int LEAST_COLUMNS = Tile.SIZE;

    private final Tile tile;
    private final Rows rows;
    private final Runs runs;
    private @Nullable Operands gradient;
    private @Nullable Reduction kernel;
    private @Nullable Conversions conversions;

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
     * @param newGradient y, dy, and as the output dresidual
     */
    public ResidualReduction of(Kernels kernels, Reduction newKernel, Operands newGradient) {
        conversions = kernels.conversions();
        kernel = newKernel;
        gradient = newGradient;
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

    @Override
    public void rows(Operands o, Rows r, Coefficients c, ColumnSums s) {
        int columns = (int) Math.max(SIZE / (r.count * r.streams) & -Tile.SIZE, LEAST_COLUMNS);
        for (int from = r.from, to; from < r.to; from = to) {
            to = Math.min(from + columns, r.to);
            rows.columns(r.width, from, to).rows(r.first, r.count).streams(r.streams, r.apart);
            for (int k = 0; k < r.streams; k++) {
                differentiate(rows, k * r.apart);
            }
            kernel().rows(o, rows, c, s);
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

    /** {@code dresidual = dy · output′(y)} of neighbouring values. */
    private void differentiate(long first, long length) {
        Operands g = Objects.requireNonNull(gradient);
        if (!g.isStaged() && g.inArrays() && g.xStart == g.secondStart && g.xStart == g.outStart) {
            int from = (int) (g.xStart + first);
            float[] y = (float[]) g.x;
            ScalarInputs.differentiate(g.output, y, (float[]) g.second, (float[]) g.out, from, from + (int) length);
            return;
        }
        Conversions by = Objects.requireNonNull(conversions);
        for (long k = first; k < first + length; k += Tile.SIZE) {
            int values = (int) Math.min(Tile.SIZE, first + length - k);
            g.readSecond(by, k, tile.b, values, tile);
            if (!g.output.isNone()) {
                g.readX(by, k, tile.a, values, tile);
                ScalarInputs.applyDerivative(g.output, tile.a, tile.b, values);
            }
            g.write(by, tile.b, k, values, tile);
        }
    }

    /** Lets go of the caller's memory. */
    public void clear() {
        gradient = null;
    }
}

package org.batchnorm.cpu.kernel.scalar;

import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.Elementwise;
import org.batchnorm.cpu.kernel.Memory;
import org.batchnorm.cpu.kernel.Operands;
import org.batchnorm.cpu.kernel.Rows;
import org.batchnorm.cpu.kernel.Runs;
import org.batchnorm.cpu.kernel.Tile;

/** {@link Elementwise} in plain loops over pieces that are copied into a {@link Tile} and back. */
final class ScalarElementwise implements Elementwise {
    private final boolean second;

    /**
     * A map.
     *
     * @param second whether of x and dy, {@code inputGradient}; else of x alone, {@code transform}
     */
    ScalarElementwise(boolean second) {
        this.second = second;
    }

    @Override
    public void rows(Operands o, Rows r, Coefficients c) {
        Tile tile = r.tile;
        int together = Tile.rowsTogether(r);
        for (int j = r.from; j < r.to; j += Tile.SIZE) {
            int length = Math.min(Tile.SIZE, r.to - j);
            tile.repeat(c, j, length, together, second);
            if (o.needsForward()) {
                tile.repeatForward(o.forward, j, length, together);
            }
            for (long i = 0; i < r.count; i += together) {
                int piece = length * (int) Math.min(together, r.count - i);
                read(o, r.first + i * r.width + j, tile, piece);
                if (second) {
                    inputGradients(tile.a, tile.b, tile.coefficients, piece);
                } else {
                    transform(tile.a, tile.coefficients, piece);
                    addResidual(o, r.first + i * r.width + j, tile, piece);
                }
                activate(o, tile, piece);
                Memory.write(tile.a, o.out, o.outStart + r.first + i * r.width + j, piece);
            }
        }
    }

    @Override
    public void runs(Operands o, Runs r, Coefficients c) {
        for (long i = 0; i < r.images; i++) {
            for (int channel = r.from; channel < r.to; channel++) {
                long run = r.first + i * r.imageApart + (channel - r.from) * r.channelApart;
                run(o, run, r.length, r.tile, c, channel);
            }
        }
    }

    private void run(Operands o, long run, int length, Tile tile, Coefficients c, int channel) {
        if (o.needsForward()) {
            tile.repeatForward(o.forward, channel, Math.min(Tile.SIZE, length));
        }
        for (int j = 0; j < length; j += Tile.SIZE) {
            int piece = Math.min(Tile.SIZE, length - j);
            read(o, run + j, tile, piece);
            if (second) {
                inputGradients(tile.a, tile.b, c, channel, piece);
            } else {
                transform(tile.a, c, channel, piece);
                addResidual(o, run + j, tile, piece);
            }
            activate(o, tile, piece);
            Memory.write(tile.a, o.out, o.outStart + run + j, piece);
        }
    }

    /** Copies a piece of each input, and of x once more where its sign is wanted when the result has its place. */
    private void read(Operands o, long position, Tile tile, int length) {
        if (!second) {
            ScalarInputs.readX(o, position, tile.a, length);
            return;
        }
        ScalarInputs.readBoth(o, position, tile.a, tile.b, tile.forward, length);
        if (!o.input.isNone()) {
            System.arraycopy(tile.a, 0, tile.c, 0, length);
        }
    }

    private static void addResidual(Operands o, long position, Tile tile, int length) {
        if (o.hasResidual()) {
            Memory.read(o.second, o.secondStart + position, tile.b, length);
            add(tile.a, tile.b, length);
        }
    }

    private static void add(float[] values, float[] more, int length) {
        for (int j = 0; j < length; j++) {
            values[j] += more[j];
        }
    }

    /** {@code y = output(z)}, or dx by x, not by {@code input(x)}. */
    private void activate(Operands o, Tile tile, int length) {
        if (!second) {
            ScalarInputs.apply(o.output, tile.a, length);
        } else if (!o.input.isNone()) {
            ScalarInputs.applyDerivative(o.input, tile.c, tile.a, length);
        }
    }

    // The loops over tiles, which overwrite x with the result: with coefficients for each column, and with one
    // channel's.

    private static void transform(float[] x, Coefficients c, int length) {
        float[] centre = c.centre;
        float[] scale = c.scale;
        float[] offset = c.offset;
        for (int j = 0; j < length; j++) {
            x[j] = transform(x[j], centre[j], scale[j], offset[j]);
        }
    }

    private static void transform(float[] x, Coefficients c, int channel, int length) {
        float centre = c.centre[channel];
        float scale = c.scale[channel];
        float offset = c.offset[channel];
        for (int j = 0; j < length; j++) {
            x[j] = transform(x[j], centre, scale, offset);
        }
    }

    private static void inputGradients(float[] x, float[] dy, Coefficients c, int length) {
        float[] centre = c.centre;
        float[] dyCentre = c.dyCentre;
        float[] scale = c.scale;
        float[] slope = c.slope;
        float[] offset = c.offset;
        for (int j = 0; j < length; j++) {
            float t = inputGradient(x[j] - centre[j], dy[j] - dyCentre[j], slope[j]);
            x[j] = t * scale[j] + offset[j];
        }
    }

    private static void inputGradients(float[] x, float[] dy, Coefficients c, int channel, int length) {
        float centre = c.centre[channel];
        float dyCentre = c.dyCentre[channel];
        float scale = c.scale[channel];
        float slope = c.slope[channel];
        float offset = c.offset[channel];
        for (int j = 0; j < length; j++) {
            float t = inputGradient(x[j] - centre, dy[j] - dyCentre, slope);
            x[j] = t * scale + offset;
        }
    }

    /** {@code y = (x − centre) · scale + offset}. */
    static float transform(float x, float centre, float scale, float offset) {
        return (x - centre) * scale + offset;
    }

    /**
     * {@code (dy − dyCentre) + (x − centre) · slope}, of the differences; {@code scale} and {@code offset} make it dx.
     */
    private static float inputGradient(float d, float g, float slope) {
        return g + d * slope;
    }
}

package org.batchnorm.cpu.kernel.scalar;

import java.util.Arrays;
import java.util.Objects;
import org.batchnorm.cpu.cut.Columns;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.Conversions;
import org.batchnorm.cpu.kernel.Elementwise;
import org.batchnorm.cpu.kernel.Operands;
import org.batchnorm.cpu.kernel.PerFeature;
import org.batchnorm.cpu.kernel.Rows;
import org.batchnorm.cpu.kernel.Runs;
import org.batchnorm.cpu.kernel.Tile;
import org.batchnorm.cpu.kernel.Wide;
import org.jspecify.annotations.Nullable;

/**
 * {@link Elementwise} where some features are {@link Wide}: these are mapped in double precision, with coefficients of
 * their own, the others by the backend's kernel. Of a few rows, the wide features' results are made first, as the
 * output may be an input. Then the kernel maps all columns, those of wide features to nothing of use, and the results
 * take their places. Each participant of an operation has one of these and sets it anew for every block.
 */
public final class WideElementwise implements Elementwise {
    /** Rows that are mapped at once. */
    private static final int ROWS = 8;

    /** The values of a run that are mapped at once. */
    private static final int RUN = 128;

    private static final int IN_PLACE = -1;

    private final Tile tile;
    private final Rows rows;
    private final Runs runs;
    private final float[] results = new float[ROWS * Tile.SIZE];
    private final double[] mapped = new double[Tile.SIZE];
    private final int[] features = new int[Tile.SIZE];
    private final double[] centre = new double[Tile.SIZE];
    private final double[] dyCentre = new double[Tile.SIZE];
    private final double[] slope = new double[Tile.SIZE];
    private final double[] scale = new double[Tile.SIZE];
    private final double[] offset = new double[Tile.SIZE];

    private int first;
    private int last;
    private @Nullable Elementwise kernel;
    private @Nullable PerFeature parameters;
    private @Nullable Conversions conversions;
    private @Nullable Columns columns;
    private boolean ofGradient;

    /**
     * A map for many blocks, one after the other.
     *
     * @param tile the scratch of the thread
     */
    public WideElementwise(Tile tile) {
        this.tile = tile;
        this.rows = new Rows(tile);
        this.runs = new Runs(tile);
    }

    /**
     * Takes an operation.
     *
     * @param newKernel the backend's
     * @param newOfGradient whether the output is dx; else it is y
     */
    public WideElementwise of(
            Elementwise newKernel,
            PerFeature f,
            boolean newOfGradient,
            Columns newColumns,
            Conversions newConversions) {
        kernel = newKernel;
        parameters = f;
        ofGradient = newOfGradient;
        columns = newColumns;
        conversions = newConversions;
        return this;
    }

    private static boolean isWide(Coefficients c, int column) {
        return Float.isNaN(c.scale[column]);
    }

    @Override
    public void rows(Operands o, Rows r, Coefficients c) {
        rows.cached = r.cached;
        rows.fourAtOnce = r.fourAtOnce;
        for (int j = r.from; j < r.to; j += Tile.SIZE) {
            rows.columns(r.width, j, Math.min(j + Tile.SIZE, r.to));
            int wide = takeWide(c);
            long atOnce = wide > 0 ? ROWS : Math.max(r.count, 1);
            for (long i = 0; i < r.count; i += atOnce) {
                rows.rows(r.first + i * r.width, Math.min(atOnce, r.count - i));
                if (wide < rows.to - j) {
                    mapMixed(o, c);
                } else {
                    mapWide(o, true);
                }
            }
        }
    }

    /**
     * Finds the wide columns of those at hand, and makes their coefficients.
     *
     * @return how many there are
     */
    private int takeWide(Coefficients c) {
        first = rows.to;
        last = rows.to;
        int wide = 0;
        for (int j = rows.from; j < rows.to; j++) {
            if (isWide(c, j)) {
                first = Math.min(first, j);
                last = j + 1;
                wide++;
            }
        }
        for (int j = first; j < last; j++) {
            features[j - first] = Objects.requireNonNull(columns).feature(j);
            if (isWide(c, j)) {
                makeCoefficients(j - first);
            }
        }
        return wide;
    }

    private void mapWide(Operands o, boolean inPlace) {
        for (int k = 0; k < rows.count && first < last; k++) {
            long at = rows.first + k * (long) rows.width + first;
            map(o, at, last - first, inPlace ? IN_PLACE : k * Tile.SIZE);
        }
    }

    private void mapMixed(Operands o, Coefficients c) {
        mapWide(o, false);
        Objects.requireNonNull(kernel).rows(o, rows, c);
        for (int k = 0; k < rows.count && first < last; k++) {
            for (int j = first; j < last; j++) {
                if (isWide(c, j)) {
                    o.out(rows.first + k * (long) rows.width + j, results[k * Tile.SIZE + j - first]);
                }
            }
        }
    }

    @Override
    public void runs(Operands o, Runs r, Coefficients c) {
        for (int channel = r.from, end; channel < r.to; channel = end) {
            boolean wide = isWide(c, channel);
            end = channel + 1;
            while (!wide && end < r.to && !isWide(c, end)) {
                end++;
            }
            long run = r.first + (channel - r.from) * r.channelApart;
            if (wide) {
                mapRuns(o, r, run, channel);
            } else {
                runs.images(r.images, r.imageApart).channels(channel, end, r.channelApart);
                Objects.requireNonNull(kernel).runs(o, runs.values(run, r.length), c);
            }
        }
    }

    private void mapRuns(Operands o, Runs r, long run, int channel) {
        int used = Math.min(r.length, RUN);
        Arrays.fill(features, 0, used, channel);
        makeCoefficients(0);
        Arrays.fill(centre, 1, used, centre[0]);
        Arrays.fill(dyCentre, 1, used, dyCentre[0]);
        Arrays.fill(slope, 1, used, slope[0]);
        Arrays.fill(scale, 1, used, scale[0]);
        Arrays.fill(offset, 1, used, offset[0]);
        for (long i = 0; i < r.images; i++) {
            for (int j = 0; j < r.length; j += RUN) {
                map(o, run + i * r.imageApart + j, Math.min(RUN, r.length - j), IN_PLACE);
            }
        }
    }

    /** Makes the coefficients of a value of the pieces, whose feature is known. */
    private void makeCoefficients(int j) {
        int feature = features[j];
        PerFeature f = Objects.requireNonNull(parameters);
        double rstd = InDouble.rstd(f, feature);
        double ofForward = ofGradient ? InDouble.rstd(f.ofForward, f.eps, feature) : rstd;
        boolean throughStatistics = ofGradient && f.throughStatistics;
        centre[j] = ofGradient && !throughStatistics ? 0 : InDouble.mean(f, feature);
        dyCentre[j] = throughStatistics ? f.gradients.dbeta()[feature] / f.count : 0;
        offset[j] = ofGradient ? 0 : f.beta[feature];
        if (throughStatistics && f.count <= Wide.TWO_VALUES) {
            slope[j] = 0;
            scale[j] = f.gamma[feature] * ofForward * f.eps * ofForward * ofForward;
        } else {
            slope[j] = throughStatistics ? -f.gradients.dgamma()[feature] * rstd / f.count : 0;
            scale[j] = f.gamma[feature] * ofForward;
        }
    }

    /**
     * Maps a piece of neighbouring values.
     *
     * @param into where the results go; {@link #IN_PLACE} for the output
     */
    private void map(Operands o, long at, int length, int into) {
        boolean plain = o.isPlain();
        if (!plain) {
            PerFeature f = Objects.requireNonNull(parameters);
            WideInputs.read(o, f, Objects.requireNonNull(conversions), tile, at, length, features);
        }
        float[] x = plain ? (float[]) o.x : tile.a;
        int xAt = plain ? (int) (o.xStart + at) : 0;
        if (o.hasSecond() && !o.hasResidual()) {
            float[] dy = plain ? (float[]) o.second : tile.b;
            inputGradients(x, xAt, dy, plain ? (int) (o.secondStart + at) : 0, length);
        } else {
            transform(x, xAt, length);
        }
        if (plain && into == IN_PLACE && !o.hasResidual()) {
            narrow((float[]) o.out, (int) (o.outStart + at), length);
            return;
        }
        finish(o, at, length);
        if (into == IN_PLACE) {
            o.out(at, tile.c, 0, length);
        } else {
            System.arraycopy(tile.c, 0, results, into, length);
        }
    }

    /** Adds the residual, rounds what was mapped, and applies the activation. */
    private void finish(Operands o, long at, int length) {
        if (o.hasResidual()) {
            boolean plain = o.isPlain();
            add(plain ? (float[]) o.second : tile.b, plain ? (int) (o.secondStart + at) : 0, length);
        }
        narrow(tile.c, 0, length);
        if (!o.hasSecond() || o.hasResidual()) {
            ScalarInputs.apply(o.output, tile.c, length);
        } else if (!o.input.isNone()) {
            ScalarInputs.applyDerivative(o.input, tile.a, tile.c, length);
        }
    }

    // Simple loops, of which the compiler makes vector code. By way of doubles, as the output may be an input.

    private void transform(float[] x, int at, int length) {
        double[] to = mapped;
        double[] c = centre;
        double[] a = scale;
        double[] b = offset;
        for (int j = 0; j < length; j++) {
            to[j] = (x[at + j] - c[j]) * a[j] + b[j];
        }
    }

    private void inputGradients(float[] x, int xAt, float[] dy, int dyAt, int length) {
        double[] to = mapped;
        double[] c = centre;
        double[] g = dyCentre;
        double[] k = slope;
        double[] a = scale;
        for (int j = 0; j < length; j++) {
            to[j] = ((dy[dyAt + j] - g[j]) + (x[xAt + j] - c[j]) * k[j]) * a[j];
        }
    }

    private void add(float[] residual, int at, int length) {
        double[] to = mapped;
        for (int j = 0; j < length; j++) {
            to[j] += residual[at + j];
        }
    }

    private void narrow(float[] to, int at, int length) {
        double[] from = mapped;
        for (int j = 0; j < length; j++) {
            to[at + j] = (float) from[j];
        }
    }
}

package org.batchnorm.cpu.kernel.scalar;

import java.util.Arrays;
import java.util.Objects;
import org.batchnorm.cpu.cut.Columns;
import org.batchnorm.cpu.kernel.Conversions;
import org.batchnorm.cpu.kernel.DoubleSums;
import org.batchnorm.cpu.kernel.Operands;
import org.batchnorm.cpu.kernel.PerFeature;
import org.batchnorm.cpu.kernel.Rows;
import org.batchnorm.cpu.kernel.Runs;
import org.batchnorm.cpu.kernel.Suspects;
import org.batchnorm.cpu.kernel.Tile;
import org.jspecify.annotations.Nullable;

/**
 * The reduction of suspect features, in double precision. It goes through memory in the order of the rows, and takes
 * whatever stands between two suspect features along: that is sooner done than going down one column after the other.
 * Each participant of an operation has one of these and sets it anew for every block.
 */
public final class DoubleReduction {
    /** Rows of fewer columns are taken whole: the work for each row is more than that for their values. */
    private static final int NARROW = 64;

    /** The values of a run that are taken at once: more would only be more sums to add up. */
    private static final int RUN = 128;

    private final Tile tile;
    private final int[] features = new int[Tile.SIZE];
    private final double[] centre = new double[Tile.SIZE];
    private final double[] distance = new double[Tile.SIZE];
    private final double[] gradient = new double[Tile.SIZE];
    private final double[] product = new double[Tile.SIZE];
    private @Nullable Operands operands;
    private @Nullable PerFeature parameters;
    private @Nullable Conversions conversions;

    /**
     * A reduction for many blocks, one after the other.
     *
     * @param tile the scratch of the thread
     */
    public DoubleReduction(Tile tile) {
        this.tile = tile;
    }

    /** Takes an operation's inputs and parameters. */
    public DoubleReduction of(Operands o, PerFeature f, Conversions newConversions) {
        operands = o;
        parameters = f;
        conversions = newConversions;
        return this;
    }

    /**
     * Adds rows, one after the other.
     *
     * @param suspects in: which features, and their centres
     * @param into in and out
     */
    public void rows(Rows r, Columns columns, Suspects suspects, DoubleSums into) {
        for (int j = r.from, end; j < r.to; j = end) {
            end = Math.min(j + Tile.SIZE, r.to);
            int first = j;
            while (first < end && !suspects.isSuspect(columns.feature(first))) {
                first++;
            }
            int last = end;
            while (last > first && !suspects.isSuspect(columns.feature(last - 1))) {
                last--;
            }
            if (first < last) {
                boolean whole = r.width < NARROW && end - j == r.width;
                begin(columns, suspects, whole ? j : first, whole ? end : last);
                piece(r, whole ? j : first, whole ? end : last, suspects, into);
            }
        }
    }

    private void begin(Columns columns, Suspects suspects, int from, int to) {
        for (int j = from; j < to; j++) {
            int feature = columns.feature(j);
            features[j - from] = feature;
            centre[j - from] = suspects.centre(feature);
        }
    }

    private void piece(Rows r, int from, int to, Suspects suspects, DoubleSums into) {
        int length = to - from;
        int together = length == r.width ? (int) Math.clamp(Tile.SIZE / length, 1, Math.max(r.count, 1)) : 1;
        for (int k = 1; k < together; k++) {
            System.arraycopy(features, 0, features, k * length, length);
            System.arraycopy(centre, 0, centre, k * length, length);
        }
        clear(length * together);
        for (long i = 0; i < r.count; i += together) {
            add(r.first + i * r.width + from, length * (int) Math.min(together, r.count - i));
        }
        addUp(length * together, suspects, into);
    }

    /** Adds the runs of the suspect channels. */
    public void runs(Runs r, Suspects suspects, DoubleSums into) {
        int used = Math.min(r.length, RUN);
        for (int channel = r.from; channel < r.to; channel++) {
            if (suspects.isSuspect(channel)) {
                Arrays.fill(features, 0, used, channel);
                Arrays.fill(centre, 0, used, suspects.centre(channel));
                clear(used);
                long run = r.first + (channel - r.from) * r.channelApart;
                for (long i = 0; i < r.images; i++) {
                    for (int j = 0; j < r.length; j += RUN) {
                        add(run + i * r.imageApart + j, Math.min(RUN, r.length - j));
                    }
                }
                addUp(used, suspects, into);
            }
        }
    }

    private void clear(int length) {
        Arrays.fill(distance, 0, length, 0);
        Arrays.fill(gradient, 0, length, 0);
        Arrays.fill(product, 0, length, 0);
    }

    /** Adds a piece of neighbouring values, each to its own sum. */
    private void add(long at, int length) {
        Operands o = Objects.requireNonNull(operands);
        boolean plain = o.isPlain();
        if (!plain) {
            PerFeature f = Objects.requireNonNull(parameters);
            WideInputs.read(o, f, Objects.requireNonNull(conversions), tile, at, length, features);
        }
        float[] x = plain ? (float[]) o.x : tile.a;
        int xAt = plain ? (int) (o.xStart + at) : 0;
        if (o.hasSecond()) {
            float[] dy = plain ? (float[]) o.second : tile.b;
            addGradients(x, xAt, dy, plain ? (int) (o.secondStart + at) : 0, length);
        } else {
            addValues(x, xAt, centre, distance, product, length);
        }
    }

    private void addUp(int length, Suspects suspects, DoubleSums into) {
        for (int j = 0; j < length; j++) {
            int feature = features[j];
            if (suspects.isSuspect(feature)) {
                into.distance[feature] += distance[j];
                into.gradient[feature] += gradient[j];
                into.product[feature] += product[j];
            }
        }
    }

    // Simple loops, of which the compiler makes vector code.

    private static void addValues(float[] x, int at, double[] centre, double[] distance, double[] product, int length) {
        for (int j = 0; j < length; j++) {
            double d = x[at + j] - centre[j];
            distance[j] += d;
            product[j] += d * d;
        }
    }

    private void addGradients(float[] x, int xAt, float[] dy, int dyAt, int length) {
        double[] ofX = centre;
        double[] distances = distance;
        double[] gradients = gradient;
        double[] products = product;
        for (int j = 0; j < length; j++) {
            double d = x[xAt + j] - ofX[j];
            double w = dy[dyAt + j];
            distances[j] += d;
            gradients[j] += w;
            products[j] += w * d;
        }
    }
}

package org.batchnorm.cpu.float64;

import java.util.Arrays;
import java.util.Objects;
import org.batchnorm.data.Batch;
import org.jspecify.annotations.Nullable;

/** What the passes do with a piece. */
final class Passes {
    private static final double[] ONES = new double[Lanes.MOST];

    static {
        Arrays.fill(ONES, 1);
    }

    private Passes() {}

    /** A pass that has a sum for each lane. */
    abstract static class Reduction extends BlockPass {
        Reduction(Job job) {
            super(job);
        }

        @Override
        final void clear(int partial, int from, int to) {
            job.sums.clear(partial, from, to);
        }

        @Override
        final void end(Lanes lanes, int partial) {
            job.sums.add(partial, lanes);
        }
    }

    private static void loadDistance(Job job, Lanes lanes) {
        lanes.load(job.coefficients.unit, lanes.of.unit);
        lanes.load(job.coefficients.mean, lanes.of.mean);
        lanes.load(job.coefficients.meanLow, lanes.of.meanLow);
    }

    private static void loadTransform(Job job, Lanes lanes) {
        loadDistance(job, lanes);
        lanes.load(job.coefficients.scale, lanes.of.scale);
        lanes.load(job.coefficients.offset, lanes.of.offset);
    }

    private static void readX(Job job, Lanes lanes, long position, int length) {
        job.x().copyTo(position, lanes.x, 0, length);
        if (job.fromOutput) {
            Loops.undo(job.activations.output(), lanes.x, length);
        } else {
            Loops.activate(job.activations.input(), lanes.x, length);
        }
    }

    private static void readDistance(Job job, Lanes lanes, long position, int length) {
        readX(job, lanes, position, length);
        Loops.distance(lanes.x, lanes.of, lanes.distance, length);
    }

    /** The gradient by BN(input(x)), whose distance has been read where an activation comes behind. */
    private static void readGradient(Job job, Lanes lanes, long position, int length) {
        job.dy().copyTo(position, lanes.dy, 0, length);
        if (job.differentiatesOutput && job.fromOutput) {
            Loops.activateGradient(job.activations.output(), lanes.dy, lanes.x, length);
        } else if (job.differentiatesOutput) {
            Loops.transform(lanes.distance, lanes.of.scale, lanes.of.offset, lanes.other, length);
            Loops.activateGradient(job.activations.output(), lanes.dy, lanes.other, length);
        }
    }

    /** {@code Σ x}. */
    static final class SumOfX extends Reduction {
        SumOfX(Job job) {
            super(job);
        }

        @Override
        void begin(Lanes lanes) {
            lanes.clearSums();
            lanes.load(job.coefficients.unit, lanes.of.unit);
        }

        @Override
        void piece(Lanes lanes, long position, int length) {
            readX(job, lanes, position, length);
            Loops.sum(lanes.x, lanes.of.unit, lanes.high, lanes.low, length);
        }
    }

    /** {@code Σ (x − mean)²}. */
    static final class Squares extends Reduction {
        Squares(Job job) {
            super(job);
        }

        @Override
        void begin(Lanes lanes) {
            lanes.clearSums();
            loadDistance(job, lanes);
        }

        @Override
        void piece(Lanes lanes, long position, int length) {
            readDistance(job, lanes, position, length);
            Loops.squares(lanes.distance, lanes.high, lanes.low, length);
        }
    }

    /** {@code y = output(γ · (x − mean) · rstd + β + residual)}. */
    static final class Transform extends BlockPass {
        private @Nullable Batch residual;
        private @Nullable Batch y;

        Transform(Job job) {
            super(job);
        }

        void set(@Nullable Batch newResidual, @Nullable Batch newY) {
            residual = newResidual;
            y = newY;
        }

        @Override
        void begin(Lanes lanes) {
            loadTransform(job, lanes);
        }

        @Override
        void piece(Lanes lanes, long position, int length) {
            readDistance(job, lanes, position, length);
            Loops.transform(lanes.distance, lanes.of.scale, lanes.of.offset, lanes.other, length);
            if (residual != null) {
                residual.copyTo(position, lanes.dy, 0, length);
                Loops.add(lanes.other, lanes.dy, length);
            }
            Loops.activate(job.activations.output(), lanes.other, length);
            Objects.requireNonNull(y).copyFrom(lanes.other, 0, position, length);
        }
    }

    /** {@code Σ dy}; where there is a residual its gradient {@code dresidual = dy · output′(y)} is written, too. */
    static final class SumOfGradient extends Reduction {
        private @Nullable Batch y;
        private @Nullable Batch dresidual;

        SumOfGradient(Job job) {
            super(job);
        }

        void set(@Nullable Batch newY, @Nullable Batch newDresidual) {
            y = newY;
            dresidual = newDresidual;
        }

        @Override
        void begin(Lanes lanes) {
            lanes.clearSums();
            if (job.differentiatesOutput && dresidual == null) {
                loadTransform(job, lanes);
            }
        }

        @Override
        void piece(Lanes lanes, long position, int length) {
            if (y != null && dresidual != null) {
                y.copyTo(position, lanes.other, 0, length);
                job.dy().copyTo(position, lanes.dy, 0, length);
                Loops.activateGradient(job.activations.output(), lanes.dy, lanes.other, length);
                dresidual.copyFrom(lanes.dy, 0, position, length);
            } else {
                if (job.differentiatesOutput) {
                    readDistance(job, lanes, position, length);
                }
                readGradient(job, lanes, position, length);
            }
            Loops.sum(lanes.dy, ONES, lanes.high, lanes.low, length);
        }
    }

    /** {@code Σ (dy − mean of dy) · x̂}. */
    static final class Products extends Reduction {
        Products(Job job) {
            super(job);
        }

        @Override
        void begin(Lanes lanes) {
            lanes.clearSums();
            loadTransform(job, lanes);
            lanes.load(job.coefficients.rstd, lanes.of.rstd);
            lanes.load(job.coefficients.dyMean, lanes.of.dyMean);
            lanes.load(job.coefficients.dyMeanLow, lanes.of.dyMeanLow);
        }

        @Override
        void piece(Lanes lanes, long position, int length) {
            readDistance(job, lanes, position, length);
            readGradient(job, lanes, position, length);
            Loops.centre(lanes.dy, lanes.of.dyMean, lanes.of.dyMeanLow, length);
            Loops.products(lanes.dy, lanes.distance, lanes.of.rstd, lanes.high, lanes.low, length);
        }
    }

    /** {@code dx}; with given statistics {@code γ · rstd · dy}, which needs x for activations alone. */
    static final class InputGradient extends BlockPass {
        private @Nullable Batch dx;
        private boolean throughStatistics;

        InputGradient(Job job) {
            super(job);
        }

        void set(@Nullable Batch newDx, boolean through) {
            dx = newDx;
            throughStatistics = through;
        }

        @Override
        void begin(Lanes lanes) {
            loadTransform(job, lanes);
            lanes.load(job.coefficients.dyMean, lanes.of.dyMean);
            lanes.load(job.coefficients.dyMeanLow, lanes.of.dyMeanLow);
            lanes.load(job.coefficients.slope, lanes.of.slope);
            lanes.load(job.coefficients.gradientScale, lanes.of.gradientScale);
        }

        @Override
        void piece(Lanes lanes, long position, int length) {
            boolean hasInput = !job.activations.input().isNone();
            if (throughStatistics || job.differentiatesOutput || hasInput) {
                readDistance(job, lanes, position, length);
            }
            readGradient(job, lanes, position, length);
            if (throughStatistics) {
                Loops.centre(lanes.dy, lanes.of.dyMean, lanes.of.dyMeanLow, length);
                Loops.gradient(lanes.dy, lanes.distance, lanes.of.slope, lanes.of.gradientScale, length);
            } else {
                Loops.multiply(lanes.dy, lanes.of.gradientScale, length);
            }
            if (hasInput) {
                Loops.activateGradient(job.activations.input(), lanes.dy, lanes.x, length);
            }
            Objects.requireNonNull(dx).copyFrom(lanes.dy, 0, position, length);
        }
    }
}

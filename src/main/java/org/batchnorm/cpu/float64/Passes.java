package org.batchnorm.cpu.float64;

import org.batchnorm.data.Batch;

/** What the passes do with a piece. */
final class Passes {
    private static final double[] ZEROS = new double[Lanes.MOST];

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
        lanes.loadUnits(job.coefficients.unit);
        lanes.load(job.coefficients.mean, lanes.of.mean);
    }

    private static void loadTransform(Job job, Lanes lanes) {
        loadDistance(job, lanes);
        lanes.load(job.coefficients.scale, lanes.of.scale);
        lanes.load(job.coefficients.offset, lanes.of.offset);
    }

    /** Returns input(x) in units; without these it is in {@code lanes.x}, too. */
    private static double[] readX(Job job, Lanes lanes) {
        lanes.read(job.x(), lanes.x);
        if (job.fromOutput) {
            Loops.undo(job.activations.output(), lanes.x, lanes.end());
        } else {
            Loops.activate(job.activations.input(), lanes.x, lanes.end());
        }
        return lanes.inUnits();
    }

    private static void transform(double[] x, Lanes lanes) {
        Coefficients of = lanes.of;
        Loops.transform(x, of.mean, of.scale, of.offset, lanes.other, lanes.length);
    }

    /** Makes of {@code lanes.dy} the gradient by BN(input(x)), if an activation comes behind. */
    private static void differentiate(Job job, double[] x, Lanes lanes) {
        if (job.differentiatesOutput && job.fromOutput) {
            Loops.activateGradient(job.activations.output(), lanes.dy, lanes.x, lanes.end());
        } else if (job.differentiatesOutput) {
            transform(x, lanes);
            Loops.activateGradient(job.activations.output(), lanes.dy, lanes.other, lanes.end());
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
            lanes.loadUnits(job.coefficients.unit);
        }

        @Override
        void take(Lanes lanes) {
            double[] x = readX(job, lanes);
            lanes.fill(x, ZEROS);
            Loops.sum(x, lanes.high, lanes.low, lanes.length);
        }
    }

    /** {@code Σ (x − mean)²}, where the mean is one double. */
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
        void take(Lanes lanes) {
            double[] x = readX(job, lanes);
            lanes.fill(x, lanes.of.mean);
            Loops.squares(x, lanes.of.mean, lanes.high, lanes.low, lanes.length);
        }
    }

    /** {@code y = output(γ · (x − mean) · rstd + β + residual)}. */
    static final class Transform extends BlockPass {
        Transform(Job job) {
            super(job);
        }

        @Override
        void begin(Lanes lanes) {
            loadTransform(job, lanes);
        }

        @Override
        void take(Lanes lanes) {
            transform(readX(job, lanes), lanes);
            Batch residual = job.tensors().residual();
            if (residual != null) {
                lanes.read(residual, lanes.dy);
                Loops.add(lanes.other, lanes.dy, lanes.end());
            }
            Loops.activate(job.activations.output(), lanes.other, lanes.end());
            lanes.write(lanes.other, job.tensors().y());
        }
    }

    /** {@code Σ dy}; where there is a residual its gradient {@code dresidual = dy · output′(y)} is written, too. */
    static final class SumOfGradient extends Reduction {
        SumOfGradient(Job job) {
            super(job);
        }

        @Override
        void begin(Lanes lanes) {
            lanes.clearSums();
            if (job.differentiatesOutput) {
                loadTransform(job, lanes);
            }
        }

        @Override
        void take(Lanes lanes) {
            Batch dresidual = job.tensors().dresidual();
            lanes.read(job.tensors().dy(), lanes.dy);
            if (dresidual != null) {
                lanes.read(job.tensors().y(), lanes.other);
                Loops.activateGradient(job.activations.output(), lanes.dy, lanes.other, lanes.end());
                lanes.write(lanes.dy, dresidual);
            } else if (job.differentiatesOutput) {
                differentiate(job, readX(job, lanes), lanes);
            }
            lanes.fill(lanes.dy, ZEROS);
            Loops.sum(lanes.dy, lanes.high, lanes.low, lanes.length);
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
            lanes.load(job.coefficients.xHatOffset, lanes.of.xHatOffset);
            lanes.load(job.coefficients.dyMean, lanes.of.dyMean);
        }

        @Override
        void take(Lanes lanes) {
            double[] x = readX(job, lanes);
            lanes.read(job.gradient(), lanes.dy);
            differentiate(job, x, lanes);
            Coefficients of = lanes.of;
            Loops.transform(x, of.mean, of.rstd, of.xHatOffset, lanes.other, lanes.length);
            lanes.fill(lanes.other, ZEROS);
            lanes.fill(lanes.dy, of.dyMean);
            Loops.products(lanes.dy, of.dyMean, lanes.other, lanes.high, lanes.low, lanes.length);
        }
    }

    /** {@code dx}; with given statistics {@code γ · rstd · dy}, which needs x for activations alone. */
    static final class InputGradient extends BlockPass {
        InputGradient(Job job) {
            super(job);
        }

        @Override
        void begin(Lanes lanes) {
            loadTransform(job, lanes);
            lanes.load(job.coefficients.gradientScale, lanes.of.gradientScale);
            if (job.throughStatistics) {
                lanes.load(job.coefficients.dyMean, lanes.of.dyMean);
                lanes.load(job.coefficients.slope, lanes.of.slope);
                lanes.load(job.coefficients.dyOffset, lanes.of.dyOffset);
            }
        }

        @Override
        void take(Lanes lanes) {
            boolean hasInput = !job.activations.input().isNone();
            boolean needsX = job.throughStatistics || job.differentiatesOutput || hasInput;
            double[] x = needsX ? readX(job, lanes) : lanes.x;
            lanes.read(job.gradient(), lanes.dy);
            differentiate(job, x, lanes);
            Coefficients of = lanes.of;
            if (job.throughStatistics) {
                Loops.transform(x, of.mean, of.slope, of.dyOffset, lanes.other, lanes.length);
                Loops.gradient(lanes.dy, of.dyMean, lanes.other, of.gradientScale, lanes.length);
            } else {
                Loops.multiply(lanes.dy, of.gradientScale, lanes.dy, lanes.length);
            }
            if (hasInput) {
                Loops.activateGradient(job.activations.input(), lanes.dy, lanes.x, lanes.end());
            }
            lanes.write(lanes.dy, job.tensors().dx());
        }
    }
}

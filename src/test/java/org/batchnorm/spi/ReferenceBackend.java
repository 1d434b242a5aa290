package org.batchnorm.spi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.batchnorm.conformance.Reference;
import org.batchnorm.data.BatchShape;

/**
 * A backend for tests: the double-precision {@link Reference} behind the backend interface, rounded to float32 at the
 * end.
 */
public class ReferenceBackend implements BatchNormBackend {

    @Override
    public String name() {
        return "reference";
    }

    @Override
    public int priority() {
        return 1;
    }

    @Override
    public Availability availability() {
        return Availability.usable("plain double precision");
    }

    @Override
    public BatchNormOperations open(BackendOptions options) {
        return new Operations();
    }

    /** The operations; a test's backend may extend them. */
    protected static class Operations implements BatchNormOperations {

        @Override
        public void collectStatistics(BatchShape shape, MemorySegment x, double eps, BatchStatistics statistics) {
            keep(Reference.statistics(shape, read(shape, x), eps), statistics);
        }

        @Override
        public void forward(
                BatchShape shape,
                MemorySegment x,
                MemorySegment y,
                float[] gamma,
                float[] beta,
                double eps,
                BatchStatistics statistics) {
            double[] values = read(shape, x);
            Reference.Statistics batch = Reference.statistics(shape, values, eps);
            keep(batch, statistics);
            write(Reference.transform(shape, values, wide(gamma), wide(beta), batch.mean(), batch.rstd()), y);
        }

        @Override
        public void inference(
                BatchShape shape,
                MemorySegment x,
                MemorySegment y,
                float[] gamma,
                float[] beta,
                float[] mean,
                float[] variance,
                double eps) {
            double[] rstd = Reference.rstd(Reference.widen(variance), eps);
            write(Reference.transform(shape, read(shape, x), wide(gamma), wide(beta), Reference.widen(mean), rstd), y);
        }

        @Override
        public void backward(
                BatchShape shape,
                MemorySegment x,
                MemorySegment dy,
                MemorySegment dx,
                float[] gamma,
                BatchStatistics statistics,
                boolean throughStatistics,
                float[] dgamma,
                float[] dbeta) {
            double[] mean = new double[shape.c()];
            for (int c = 0; c < mean.length; c++) {
                mean[c] = (double) statistics.mean()[c] + statistics.meanLow()[c];
            }
            Reference.Gradients gradients = Reference.backward(
                    shape,
                    read(shape, x),
                    read(shape, dy),
                    wide(gamma),
                    mean,
                    Reference.widen(statistics.rstd()),
                    throughStatistics);
            write(gradients.dx(), dx);
            for (int c = 0; c < mean.length; c++) {
                dgamma[c] = (float) gradients.dgamma()[c];
                dbeta[c] = (float) gradients.dbeta()[c];
            }
        }

        private static void keep(Reference.Statistics from, BatchStatistics to) {
            for (int c = 0; c < from.mean().length; c++) {
                to.mean()[c] = (float) from.mean()[c];
                to.meanLow()[c] = (float) (from.mean()[c] - to.mean()[c]);
                to.variance()[c] = (float) from.variance()[c];
                to.rstd()[c] = (float) from.rstd()[c];
            }
        }

        private static double[] wide(float[] values) {
            return values == null ? null : Reference.widen(values);
        }

        private static double[] read(BatchShape shape, MemorySegment segment) {
            return Reference.widen(segment.asSlice(0, shape.bytes()).toArray(ValueLayout.JAVA_FLOAT));
        }

        private static void write(double[] values, MemorySegment segment) {
            for (int i = 0; i < values.length; i++) {
                segment.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) values[i]);
            }
        }
    }
}

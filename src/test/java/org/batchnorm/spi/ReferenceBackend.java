package org.batchnorm.spi;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import org.batchnorm.conformance.Reference;
import org.batchnorm.data.Batch;

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
        public void collectStatistics(Tensors tensors, Moments moments) {
            double m = tensors.shape().valuesPerFeature();
            Reference.Statistics statistics = Reference.statistics(tensors.shape(), read(tensors.x()), 1);
            for (int c = 0; c < tensors.shape().c(); c++) {
                moments.mean()[c] = statistics.mean()[c];
                moments.m2()[c] = statistics.variance()[c] * m;
            }
            moments.count(tensors.shape().valuesPerFeature());
        }

        @Override
        public void transform(Tensors tensors, Normalization normalization) {
            BatchStatistics statistics = normalization.statistics();
            double[] rstd = normalization.throughStatistics()
                    ? Reference.widen(statistics.rstd())
                    : Reference.rstd(Reference.widen(statistics.variance()), normalization.eps());
            double[] gamma = wide(normalization.gamma());
            double[] beta = wide(normalization.beta());
            double[] x = read(tensors.x());
            write(Reference.transform(tensors.shape(), x, gamma, beta, mean(statistics), rstd), tensors.y());
        }

        @Override
        public void reduceGradients(Tensors tensors, Normalization normalization, GradientSums sums) {
            Reference.Gradients gradients = sums(tensors, normalization);
            System.arraycopy(gradients.dgamma(), 0, sums.dgamma(), 0, gradients.dgamma().length);
            System.arraycopy(gradients.dbeta(), 0, sums.dbeta(), 0, gradients.dbeta().length);
            sums.count(tensors.shape().valuesPerFeature());
        }

        @Override
        public void inputGradient(Tensors tensors, Normalization normalization, GradientSums sums) {
            BatchStatistics statistics = normalization.statistics();
            double[] x = read(tensors.x());
            double[] dy = read(tensors.dy());
            double[] gamma = wide(normalization.gamma());
            double[] mean = mean(statistics);
            double m = sums.count();
            double[] dx = new double[x.length];
            for (int i = 0; i < dx.length; i++) {
                int c = Reference.feature(tensors.shape(), i);
                double rstd = statistics.rstd()[c];
                double scale = gamma == null ? rstd : gamma[c] * rstd;
                double normalized = (x[i] - mean[c]) * rstd;
                double through = sums.count() == 2
                        ? normalization.eps() * rstd * rstd * (dy[i] - sums.dbeta()[c] / 2)
                        : dy[i] - sums.dbeta()[c] / m - normalized * sums.dgamma()[c] / m;
                dx[i] = scale * (normalization.throughStatistics() ? through : dy[i]);
            }
            write(dx, tensors.dx());
        }

        /** The plain sums: the batch may be a part of that whose statistics are given, so that Σ x̂ is not 0. */
        private static Reference.Gradients sums(Tensors tensors, Normalization normalization) {
            BatchStatistics statistics = normalization.statistics();
            return Reference.backward(
                    tensors.shape(),
                    read(tensors.x()),
                    read(tensors.dy()),
                    wide(normalization.gamma()),
                    mean(statistics),
                    Reference.widen(statistics.rstd()),
                    false);
        }

        private static double[] mean(BatchStatistics statistics) {
            double[] mean = Reference.widen(statistics.mean());
            for (int c = 0; c < mean.length; c++) {
                mean[c] += statistics.meanLow()[c];
            }
            return mean;
        }

        private static double[] wide(float[] values) {
            return values == null ? null : Reference.widen(values);
        }

        private static double[] read(Batch batch) {
            MemorySegment values = batch.segment();
            double[] read = new double[(int) batch.shape().elements()];
            for (int i = 0; i < read.length; i++) {
                read[i] = batch.type().is16Bit()
                        ? batch.type().toFloat(values.getAtIndex(ValueLayout.JAVA_SHORT, i))
                        : values.getAtIndex(ValueLayout.JAVA_FLOAT, i);
            }
            return read;
        }

        private static void write(double[] values, Batch batch) {
            for (int i = 0; i < values.length; i++) {
                if (batch.type().is16Bit()) {
                    short bits = batch.type().toBits((float) values[i]);
                    batch.segment().setAtIndex(ValueLayout.JAVA_SHORT, i, bits);
                } else {
                    batch.segment().setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) values[i]);
                }
            }
        }
    }
}

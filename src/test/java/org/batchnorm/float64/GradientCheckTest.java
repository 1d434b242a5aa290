package org.batchnorm.float64;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.stream.Stream;
import org.batchnorm.BatchNorm;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.Activation;
import org.batchnorm.spi.Activations;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The check that FLOAT64 is mostly wanted for, as {@code torch.autograd.gradcheck} does it: a step of 1e-6 each way,
 * and a difference of less than 1e-8 between the quotient and the gradient.
 */
class GradientCheckTest {
    private static final double STEP = 1e-6;
    private static final double TOLERANCE = 1e-8;

    static Stream<Inputs> inputs() {
        Activations leaky = new Activations(Activation.leakyRelu(0.5), Activation.leakyRelu(0.25));
        return Stream.of(BatchShape.of(6, 3), BatchShape.channelsFirst(3, 2, 4), BatchShape.channelsLast(3, 2, 4))
                .map(shape -> Inputs.random(shape, 51))
                .flatMap(in -> Stream.of(
                        in,
                        in.with(leaky),
                        in.withGivenStatistics(52),
                        in.withResidual(53).with(leaky)));
    }

    @ParameterizedTest
    @MethodSource("inputs")
    void gradientsAreTheDifferenceQuotientsOfTheLoss(Inputs in) {
        double[] dx = new double[in.x().length];
        double[] dresidual = new double[in.x().length];
        double[] dgamma;
        double[] dbeta;
        try (BatchNorm layer = layer(in)) {
            Batch y = forward(layer, in);
            Batch gradient = Batch.of(dx, in.shape());
            if (in.residual() == null) {
                layer.backward(Batch.of(in.x(), in.shape()), Batch.of(in.dy(), in.shape()), gradient);
            } else {
                layer.backward(
                        Batch.of(in.x(), in.shape()),
                        y,
                        Batch.of(in.dy(), in.shape()),
                        gradient,
                        Batch.of(dresidual, in.shape()));
            }
            dgamma = layer.doubleWeightGradient().clone();
            dbeta = layer.doubleBiasGradient().clone();
        }
        requireQuotients(in, in.x(), dx);
        requireQuotients(in, in.gamma(), dgamma);
        requireQuotients(in, in.beta(), dbeta);
        if (in.residual() != null) {
            requireQuotients(in, in.residual(), dresidual);
        }
    }

    private static void requireQuotients(Inputs in, double[] variable, double[] gradient) {
        for (int i = 0; i < variable.length; i++) {
            double value = variable[i];
            variable[i] = value + STEP;
            double above = loss(in);
            variable[i] = value - STEP;
            double below = loss(in);
            variable[i] = value;
            assertThat(gradient[i]).isCloseTo((above - below) / (2 * STEP), within(TOLERANCE));
        }
    }

    /** {@code Σ dy · y}, of which dy is the gradient by y. */
    private static double loss(Inputs in) {
        try (BatchNorm layer = layer(in)) {
            double[] y = Layers.values(forward(layer, in));
            double loss = 0;
            for (int i = 0; i < y.length; i++) {
                loss += in.dy()[i] * y[i];
            }
            return loss;
        }
    }

    private static BatchNorm layer(Inputs in) {
        BatchNorm layer = Layers.layer(in, "vector", 1);
        return in.ofBatch() ? layer : layer.freezeStatistics();
    }

    private static Batch forward(BatchNorm layer, Inputs in) {
        Batch x = Batch.of(in.x(), in.shape());
        Batch y = Batch.of(new double[in.x().length], in.shape());
        if (in.residual() == null) {
            layer.forward(x, y);
        } else {
            layer.forward(x, Batch.of(in.residual(), in.shape()), y);
        }
        return y;
    }
}

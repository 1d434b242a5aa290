package org.batchnorm.bench.tornadovm.resident;

import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/** The rule by which the parameters follow their gradients, with the constants that do not vary between the steps. */
public sealed interface Optimizer {

    /** The arrays of the parameter's length that the rule keeps beside each parameter. */
    int states();

    /** What varies between the steps and is sent with each of them. */
    void writeRates(int step, FloatArray rates);

    /** The length of what {@link #writeRates} writes. */
    int RATES = 2;

    /**
     * Stochastic gradient descent with momentum:
     *
     * <ul>
     *   <li>{@code velocity = momentum · velocity + gradient};
     *   <li>{@code value = value − learningRate · velocity}.
     * </ul>
     */
    record Sgd(double learningRate, double momentum) implements Optimizer {
        @Override
        public int states() {
            return 1;
        }

        @Override
        public void writeRates(int step, FloatArray rates) {
            rates.set(0, (float) learningRate);
            rates.set(1, (float) momentum);
        }
    }

    /** Adam (Kingma &amp; Ba 2015) with the paper's constants. */
    record Adam(double learningRate) implements Optimizer {
        static final float BETA1 = 0.9f;
        static final float BETA2 = 0.999f;
        static final float EPSILON = 1e-8f;

        @Override
        public int states() {
            return 2;
        }

        @Override
        public void writeRates(int step, FloatArray rates) {
            rates.set(0, (float) (learningRate / (1 - StrictMath.pow(BETA1, step))));
            rates.set(1, (float) (1 / (1 - StrictMath.pow(BETA2, step))));
        }
    }
}

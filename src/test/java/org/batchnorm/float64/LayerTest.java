package org.batchnorm.float64;

import java.util.Arrays;
import org.batchnorm.data.BatchShape;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Layers of FLOAT64 on the CPU, where the two backends give the same bits, whatever the number of threads. */
class LayerTest extends Float64ContractTest {
    @Override
    protected String backend() {
        return "vector";
    }

    @ParameterizedTest
    @MethodSource("pairs")
    void theOtherBackendGivesTheSameBits(Case given) {
        Inputs in = inputs(given);
        run(given, in, "scalar", 1).isBitwise(run(given, in, "vector", 2));
    }

    /** Exact results take long: one place is held against them, and the others, bit for bit, against that one. */
    @Override
    @Tag("thorough")
    @ParameterizedTest
    @MethodSource("steps")
    void everyQuantityOfEveryStepIsWithinTheBar(Case given) {
        Inputs in = inputs(given);
        Outputs out = run(given, in, "scalar", 1);
        out.isWithinBar(in);
        for (Place place : PLACES) {
            for (Sharing sharing : SHARINGS) {
                Case there =
                        new Case(given.shape(), given.mode(), place, sharing, given.activations(), given.residual());
                run(there, in, "scalar", 1).isBitwise(there + " scalar ", out);
                run(there, in, "vector", 2).isBitwise(there + " vector ", out);
            }
        }
    }

    /**
     * The mean is no double, and all of the distances from the double nearest to it are about as large as its rounding.
     */
    @ParameterizedTest
    @CsvSource({"1e16,2", "-1,1.1102230246251565e-16"})
    void valuesThatAreFewRoundingsApartKeepTheirPrecision(double mean, double step) {
        for (BatchShape shape : SHAPES) {
            double[] x = new double[(int) shape.elements()];
            Arrays.setAll(x, i -> i % 11 == 3 ? mean + step : mean);
            Inputs in = Inputs.random(shape, 27).withX(x).withEps(step * step * 1e-2);
            Layers.train(in, backend()).isWithinBar(in);
        }
    }
}

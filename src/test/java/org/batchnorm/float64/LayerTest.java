package org.batchnorm.float64;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
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
}

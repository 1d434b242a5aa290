package org.batchnorm.float64;

import java.util.stream.Stream;
import org.batchnorm.Mode;
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

    /** All combinations. */
    static Stream<Case> all() {
        return SHAPES.stream()
                .flatMap(shape -> Stream.of(Mode.values())
                        .flatMap(mode -> Stream.of(Place.values())
                                .flatMap(place -> Stream.of(Sharing.values())
                                        .flatMap(sharing -> ACTIVATIONS.stream()
                                                .flatMap(act -> Stream.of(false, true)
                                                        .map(residual -> new Case(
                                                                shape, mode, place, sharing, act, residual)))))));
    }

    @Tag("thorough")
    @ParameterizedTest
    @MethodSource("all")
    void everyQuantityOfAllCombinationsIsWithinTheBar(Case given) {
        Inputs in = inputs(given);
        Outputs out = run(given, in, "scalar", 1);
        out.isWithinBar(in);
        run(given, in, "vector", 2).isBitwise(out);
    }
}

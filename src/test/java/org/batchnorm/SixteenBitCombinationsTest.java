package org.batchnorm;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The contract of 16-bit types in every combination, for backends that compile nothing for each. */
abstract class SixteenBitCombinationsTest extends SixteenBitContractTest {

    @Tag("thorough")
    @ParameterizedTest
    @MethodSource("all")
    void everyCombinationAgreesWithTheReference(Case given) {
        check(given);
    }
}

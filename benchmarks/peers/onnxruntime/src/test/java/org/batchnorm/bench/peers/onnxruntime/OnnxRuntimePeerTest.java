package org.batchnorm.bench.peers.onnxruntime;

import static org.assertj.core.api.Assertions.assertThat;

import org.batchnorm.bench.peers.Peer;
import org.batchnorm.bench.workload.BenchShape;
import org.batchnorm.bench.workload.Expected;
import org.batchnorm.bench.workload.Inputs;
import org.batchnorm.bench.workload.Operation;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class OnnxRuntimePeerTest {
    private static final double ROUNDINGS = 100 * 0x1p-24;

    private final OnnxRuntimePeer peer = new OnnxRuntimePeer();

    @ParameterizedTest
    @ValueSource(strings = {"2x3x5", "4x8x7x7", "2x3x2x4x5", "1x1x1x1"})
    void computesTheReferencesInferenceAgainAndAgain(String text) {
        assertThat(peer.start(1).version()).isNotEmpty();
        BenchShape shape = BenchShape.parse(text);
        Inputs in = Inputs.of(Operation.INFERENCE, shape);
        Expected expected = Expected.of(Operation.INFERENCE, shape, in);
        for (String name : peer.variants(Operation.INFERENCE, shape)) {
            try (Peer.Variant variant = peer.prepare(name, Operation.INFERENCE, shape, in)) {
                variant.run();
                expected.check(name, variant.results(), ROUNDINGS);
                variant.run();
                variant.run();
                expected.check(name, variant.results(), ROUNDINGS);
            }
        }
    }

    @ParameterizedTest
    @CsvSource({
        "inference, 2x3x5x5, 2",
        "inference, 2x3x5x5:channels-last, 0",
        "inference, 64x32, 0",
        "forward, 2x3x5x5, 0",
        "backward, 2x3x5x5, 0"
    })
    void infersImagesChannelsFirstAlone(String operation, String shape, int variants) {
        assertThat(peer.variants(Operation.of(operation), BenchShape.parse(shape)))
                .hasSize(variants);
    }
}

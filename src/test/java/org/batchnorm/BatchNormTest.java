package org.batchnorm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.withinPercentage;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.OptionalDouble;
import org.batchnorm.conformance.Quantity;
import org.batchnorm.conformance.Reference;
import org.batchnorm.data.Batch;
import org.batchnorm.data.BatchShape;
import org.junit.jupiter.api.AutoClose;
import org.junit.jupiter.api.Test;

/** What the layer does itself, whatever the backend. */
class BatchNormTest {
    private static final BatchShape SHAPE = BatchShape.of(5, 3);

    @AutoClose
    private final BatchNorm layer = BatchNorm.builder(3).backend("scalar").build();

    private final Values in = Values.random(SHAPE, 1);

    @Test
    void aConfigurationIsEnoughToBuild() {
        BatchNormConfig config = new BatchNormConfig(4, 1e-2, OptionalDouble.empty(), false, false);
        try (BatchNorm built = BatchNorm.of(config);
                BatchNorm forced = BatchNorm.builder(config).backend("scalar").build()) {
            assertThat(built.config()).isEqualTo(config);
            assertThat(forced.config()).isEqualTo(config);
            assertThat(forced.backendName()).isEqualTo("scalar");
        }
    }

    @Test
    void theModeSetsBothSwitches() {
        assertThat(layer.mode()).isEqualTo(Mode.TRAINING);
        for (Mode mode : Mode.values()) {
            layer.useBatchStatistics(true).updateRunningStatistics(true);
            layer.resetRunningStatistics();
            assertThat(layer.mode(mode).mode()).isEqualTo(mode);
            assertThat(layer.isTraining()).isEqualTo(mode != Mode.INFERENCE);
            SavedStatistics saved = new SavedStatistics(3);
            layer.forward(x(), y(), saved);
            assertThat(layer.numBatchesTracked()).isEqualTo(mode == Mode.TRAINING ? 1 : 0);
            if (mode == Mode.TRAINING) {
                assertThat(saved.mean()).doesNotContain(0);
            } else {
                assertThat(saved.mean()).containsOnly(0);
                assertThat(saved.variance()).containsOnly(1);
            }
        }
        assertThat(layer.train().mode()).isEqualTo(Mode.TRAINING);
        assertThat(layer.freezeStatistics().mode()).isEqualTo(Mode.FROZEN);
        assertThat(layer.eval().mode()).isEqualTo(Mode.INFERENCE);
        assertThat(layer.useBatchStatistics(true).mode()).isEqualTo(Mode.INFERENCE);
    }

    @Test
    void theMomentumOfABuiltLayerCanBeChanged() {
        layer.momentum(1).forward(x(), y());
        float[] ofBatch = layer.runningMean().clone();
        assertThat(layer.config().momentum()).hasValue(1);
        Arrays.fill(layer.runningMean(), 0);
        layer.momentum(0.25).forward(x(), y());
        for (int c = 0; c < 3; c++) {
            assertThat(layer.runningMean()[c]).isCloseTo(0.25f * ofBatch[c], withinPercentage(1e-4));
        }
        Arrays.fill(layer.runningMean(), 0);
        layer.cumulativeAverage().forward(x(), y());
        assertThat(layer.config().momentum()).isEmpty();
        for (int c = 0; c < 3; c++) {
            assertThat(layer.runningMean()[c]).isCloseTo(ofBatch[c] / 3, withinPercentage(1e-4));
        }
    }

    @Test
    void savedStatisticsTellTheVariance() {
        SavedStatistics saved = new SavedStatistics(3);
        layer.forward(x(), y(), saved);
        double[] variance =
                Reference.statistics(SHAPE, Reference.widen(in.x()), 1e-5).variance();
        for (int c = 0; c < 3; c++) {
            assertThat(saved.variance()[c]).isCloseTo((float) variance[c], withinPercentage(1e-4));
            assertThat(saved.rstd()[c]).isCloseTo((float) (1 / Math.sqrt(variance[c] + 1e-5)), withinPercentage(1e-4));
        }
        saved.variance()[0] = 77;
        assertThat(saved.variance()[0]).as("a copy").isNotEqualTo(77);
    }

    /** Batches that stay while the layer runs on them again, and the conveniences, give the same bits. */
    @Test
    void batchesArraysAndSegmentsGiveTheSameBits() {
        Step expected = Step.run(layer, in);
        Batch y = y();
        Batch dx = y();
        Batch dy = Batch.of(in.dy(), SHAPE);
        for (int i = 0; i < 2; i++) {
            layer.resetRunningStatistics();
            layer.zeroGradients();
            layer.forward(x(), y);
            layer.backward(x(), dy, dx);
            Step.of(layer, SHAPE, y.array(), dx.array()).isBitwise(expected);
        }
        layer.resetRunningStatistics();
        layer.zeroGradients();
        MemorySegment x = MemorySegment.ofArray(in.x());
        layer.forward(x, y.segment(), SHAPE);
        layer.backward(x, dy.segment(), dx.segment(), SHAPE);
        Step.of(layer, SHAPE, y.array(), dx.array()).isBitwise(expected);
    }

    /** The last batch of an epoch, in the buffers of the others. */
    @Test
    void aSmallerBatchMayUseALongerArray() {
        BatchShape last = BatchShape.of(3, 3);
        Values smaller = new Values(last, Arrays.copyOf(in.x(), 9), Arrays.copyOf(in.dy(), 9), in.weight(), in.bias());
        Step expected = Step.run(layer, smaller);
        float[] y = new float[15];
        float[] dx = new float[15];
        for (boolean segments : new boolean[] {false, true}) {
            Arrays.fill(y, 77);
            Arrays.fill(dx, 77);
            layer.resetRunningStatistics();
            layer.zeroGradients();
            if (segments) {
                layer.forward(MemorySegment.ofArray(in.x()), MemorySegment.ofArray(y), last);
                layer.backward(
                        MemorySegment.ofArray(in.x()), MemorySegment.ofArray(in.dy()), MemorySegment.ofArray(dx), last);
            } else {
                layer.forward(in.x(), y, last);
                layer.backward(in.x(), in.dy(), dx, last);
            }
            Step.of(layer, last, Arrays.copyOf(y, 9), Arrays.copyOf(dx, 9)).isBitwise(expected);
            assertThat(Arrays.copyOfRange(y, 9, 15)).containsOnly(77);
            assertThat(Arrays.copyOfRange(dx, 9, 15)).containsOnly(77);
        }
    }

    @Test
    void aBatchWithoutValuesMayBeSharedByAllTensors() {
        float[] nothing = {};
        layer.freezeStatistics();
        layer.forward(nothing, nothing, BatchShape.of(0, 3));
        layer.backward(nothing, nothing, nothing, BatchShape.of(0, 3));
        assertThat(layer.weightGradient()).containsOnly(0);
    }

    @Test
    void theStateIsACopy() {
        Step step = Step.run(layer, in);
        float[] weight = layer.state().get("weight").floats();
        weight[0] = 77;
        assertThat(layer.weight()[0]).isEqualTo(in.weight()[0]);
        assertThat(layer.state().get("running_mean").floats()).isEqualTo(step.get(Quantity.RUNNING_MEAN));
        assertThat(layer).hasToString("BatchNorm" + layer.config() + " on scalar");
    }

    private Batch x() {
        return Batch.of(in.x(), SHAPE);
    }

    private static Batch y() {
        return Batch.of(new float[15], SHAPE);
    }
}

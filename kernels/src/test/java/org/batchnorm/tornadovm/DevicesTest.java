package org.batchnorm.tornadovm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;
import static org.assertj.core.api.Assumptions.assumeThat;

import java.util.List;
import java.util.Map;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Moments;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.TornadoExecutionPlan;
import uk.ac.manchester.tornado.api.enums.DataTransferMode;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/** Layers on several devices, each with a part of a batch, that meet on the host: together they are one layer. */
class DevicesTest {

    static List<Meeting.Cut> cuts() {
        return Meeting.Cut.all();
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("cuts")
    void layersThatMeetAreOneLayer(Meeting.Cut cut) throws Exception {
        Meeting.check(cut, Layers.DEVICE);
    }

    /** Two different ones of one process; PoCL has a second one where it is asked for it. */
    @Test
    void layersOnTwoDevicesAreOneLayer() throws Exception {
        String output = ChildJvm.run(
                Map.of("POCL_DEVICES", "pthread basic"),
                List.of(ChildJvm.ARGFILE, ChildJvm.NO_BAILOUT),
                TwoDevicesMain.class);
        assumeThat(output).doesNotContain("one device only");
        assertThat(output).contains("they are one layer in 3 batches");
    }

    /** A device of which the last batch of an epoch has no sample. */
    @Test
    void aPartMayBeEmpty() throws Exception {
        BatchShape shape = BatchShape.of(24, 10);
        BatchNormTasks norm = Layers.layer(shape, Layers.TWO_STAGES);
        SampleCount samples = SampleCount.atMost(24);
        FloatArray x = Layers.filled(shape.elements(), Float.NaN);
        DoubleArray moments = Summaries.array(10);
        DoubleArray sums = Summaries.array(10);
        GridScheduler grids = new GridScheduler();
        TaskGraph graph = new TaskGraph("step").transferToDevice(DataTransferMode.EVERY_EXECUTION, x);
        norm.on(graph, grids, samples).collectStatistics(x, moments);
        norm.on(graph, grids, samples).reduceGradients(x, x, sums);
        graph.transferToHost(DataTransferMode.EVERY_EXECUTION, moments, sums);
        try (TornadoExecutionPlan plan = new TornadoExecutionPlan(graph.snapshot())) {
            BatchNormTasks.configure(plan, grids, Layers.DEVICE);
            plan.execute();
            assertThat(moments.get(0)).as("of NaN").isNaN();
            samples.set(0);
            plan.execute();
        }
        for (int i = 0; i < 21; i++) {
            assertThat(moments.get(i)).isZero();
            assertThat(sums.get(i)).isZero();
        }
    }

    @Test
    void arraysOfAnotherSizeAreRefused() {
        Pieces pieces = Layers.layer(BatchShape.of(24, 10), Layers.OWN).on(new TaskGraph("step"), new GridScheduler());
        DoubleArray other = Summaries.array(9);
        FloatArray x = new FloatArray(240);
        FloatArray noValues = new FloatArray(1);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> pieces.collectStatistics(x, other))
                .withMessage("moments: an array of 19 values given, 10 features of FLOAT32 need 21;"
                        + " make it with Summaries.array(features)");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> pieces.collectStatistics(noValues, other))
                .withMessageContaining("x: an array of 1 values given");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> pieces.mergeStatistics(other))
                .withMessageContaining("moments: an array of 19");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> pieces.reduceGradients(x, x, other))
                .withMessageContaining("sums: an array of 19");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> pieces.mergeGradients(other))
                .withMessageContaining("sums: an array of 19");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Summaries.read(other, new Moments(10)))
                .withMessageContaining("from: an array of 19");
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Summaries.write(new GradientSums(10), other))
                .withMessageContaining("into: an array of 19");
    }
}

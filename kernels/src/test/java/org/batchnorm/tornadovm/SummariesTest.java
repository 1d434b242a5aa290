package org.batchnorm.tornadovm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.batchnorm.data.BatchShape;
import org.batchnorm.data.ElementType;
import org.batchnorm.spi.GradientSums;
import org.batchnorm.spi.Moments;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import uk.ac.manchester.tornado.api.GridScheduler;
import uk.ac.manchester.tornado.api.TaskGraph;
import uk.ac.manchester.tornado.api.types.arrays.DoubleArray;

/** What layers merge, as arrays. */
class SummariesTest {
    /** No length is right for two numbers of features or two types. */
    @Test
    void arraysOfOtherFeaturesOrAnotherTypeAreRefused() {
        DoubleArray ofTwo = Summaries.array(2, ElementType.FLOAT64);
        String message = ": an array of 10 values given, 4 features need 9 (FLOAT32, Summaries.array(features)) or 18"
                + " (FLOAT64, Summaries.array(features, FLOAT64))";
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Summaries.read(ofTwo, new Moments(4)))
                .withMessage("from" + message);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Summaries.read(ofTwo, new GradientSums(4)))
                .withMessage("from" + message);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Summaries.write(new Moments(4), ofTwo))
                .withMessage("into" + message);
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Summaries.write(new GradientSums(4), ofTwo))
                .withMessage("into" + message);
        BatchNormTasks ofFloat32 = Layers.layer(BatchShape.of(6, 4), Layers.OWN);
        Pieces pieces = ofFloat32.on(new TaskGraph("graph"), new GridScheduler());
        assertThatIllegalArgumentException()
                .isThrownBy(() -> pieces.mergeStatistics(ofTwo))
                .withMessage("moments: an array of 10 values given, 4 features of FLOAT32 need 9;"
                        + " make it with Summaries.array(features)");
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT16", "BFLOAT16"})
    void thereIsNoLayerOfA16BitType(ElementType type) {
        assertThatIllegalArgumentException()
                .isThrownBy(() -> Summaries.array(3, type))
                .withMessage("type: " + type + " given, must be FLOAT32 or FLOAT64, which a layer may be of; batches"
                        + " of 16-bit types have layers of FLOAT32");
    }

    @ParameterizedTest
    @EnumSource(names = {"FLOAT32", "FLOAT64"})
    void whatIsWrittenIsRead(ElementType type) {
        DoubleArray array = Summaries.array(2, type);
        Moments moments = new Moments(2);
        moments.mean()[1] = 3;
        moments.m2()[0] = 4;
        moments.count(7);
        Summaries.write(moments, array);
        Moments readMoments = new Moments(2);
        Summaries.read(array, readMoments);
        assertThat(readMoments.mean()).containsExactly(0, 3);
        assertThat(readMoments.m2()).containsExactly(4, 0);
        assertThat(readMoments.count()).isEqualTo(7);

        GradientSums sums = new GradientSums(2);
        sums.dgamma()[0] = 5;
        sums.dbeta()[1] = 6;
        sums.count(8);
        Summaries.write(sums, array);
        GradientSums readSums = new GradientSums(2);
        Summaries.read(array, readSums);
        assertThat(readSums.dgamma()).containsExactly(5, 0);
        assertThat(readSums.dbeta()).containsExactly(0, 6);
        assertThat(readSums.count()).isEqualTo(8);
    }
}

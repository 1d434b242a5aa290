package org.batchnorm;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.batchnorm.data.BatchShape;
import org.batchnorm.spi.Remarks;
import org.batchnorm.state.Tensor;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.parallel.Isolated;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is taken, but said once in the log. */
@Isolated("sets a system property and takes what is logged")
class RemarkTest {
    private static final Logger LOG = Logger.getLogger(BatchNorm.class.getName());

    private final List<String> messages = new ArrayList<>();
    private final Handler handler = new Handler() {
        @Override
        public void publish(LogRecord message) {
            messages.add(message.getLevel() + " " + message.getMessage());
        }

        @Override
        public void flush() {}

        @Override
        public void close() {}
    };

    @BeforeEach
    void listen() {
        LOG.setUseParentHandlers(false);
        LOG.addHandler(handler);
        Remarks.forget();
    }

    @AfterEach
    void listenNoMore() {
        LOG.removeHandler(handler);
        LOG.setUseParentHandlers(true);
    }

    @Test
    void aMomentumOfTheOtherConventionIsSaidOnce() {
        for (double usual : new double[] {0, 0.1, 0.49}) {
            BatchNorm.builder(2).momentum(usual).build().close();
        }
        BatchNorm.builder(2).cumulativeAverage().build().close();
        assertThat(messages).isEmpty();
        BatchNorm layer = BatchNorm.builder(2).momentum(0.99).build();
        assertThat(layer.config().momentum()).hasValue(0.99);
        assertThat(messages)
                .singleElement()
                .satisfies(message -> assertThat(message)
                        .startsWith("WARNING momentum: 0.99 given, the weight of the newest batch in running =")
                        .endsWith("Keras, DJL and others mean the complement: there it would be 0.01 here"));
        layer.momentum(0.5).close();
        BatchNorm.builder(2).momentum(0.9).build().close();
        assertThat(messages).hasSize(1);
    }

    @Test
    void aConfigurationsMomentumIsSaidToo() {
        assertThat(new BatchNormConfig(2, 1e-5, OptionalDouble.of(0.5), true, true).momentum())
                .hasValue(0.5);
        assertThat(messages).hasSize(1);
    }

    @Test
    void aVarianceThatNoDataHaveIsSaidOnce() {
        try (BatchNorm layer = BatchNorm.builder(3).backend("scalar").build()) {
            Map<String, Tensor> state = new HashMap<>(layer.state());
            state.put("running_var", Tensor.ofFloats(new float[] {0, 1, Float.POSITIVE_INFINITY}, 3));
            layer.loadState(state);
            assertThat(messages).isEmpty();
            state.put("running_var", Tensor.ofFloats(new float[] {1, -0.5f, Float.NaN}, 3));
            layer.loadState(state);
            assertThat(layer.runningVar()).containsExactly(1, -0.5f, Float.NaN);
            assertThat(messages)
                    .singleElement()
                    .satisfies(message -> assertThat(message)
                            .startsWith("WARNING loadState: running_var is -0.5 for feature 1")
                            .contains("resetRunningStatistics()"));
            state.put("running_var", Tensor.ofFloats(new float[] {Float.NaN, 1, 1}, 3));
            layer.loadState(state);
            assertThat(messages).hasSize(1);
            layer.resetRunningStatistics();
            assertThat(layer.runningVar()).containsOnly(1);
        }
    }

    @ParameterizedTest
    @CsvSource({"vector, NaN", "scalar, NaN", "vector, Infinity", "scalar, -Infinity"})
    void aBatchThatIsNotFiniteIsSaidOnceWhereThatIsAskedFor(String backend, float value) {
        BatchShape shape = BatchShape.of(4, 3);
        float[] x = {1, 2, 3, 4, 5, 6, 7, value, 9, 10, 11, 3e38f};
        float[] finite = {1, 2, 3e38f, 4, 5, -3e38f, 7, 8, 3e38f, 10, 11, -3e38f};
        train(backend, x, shape, true);
        assertThat(messages).as("off by default").isEmpty();
        System.setProperty(BatchNormFunction.LOG_NOT_FINITE_PROPERTY, "true");
        try {
            train(backend, finite, shape, true);
            assertThat(messages).as("an infinite variance of finite values").isEmpty();
            train(backend, x, shape, false);
            train(backend, x, shape, true);
        } finally {
            System.clearProperty(BatchNormFunction.LOG_NOT_FINITE_PROPERTY);
        }
        assertThat(messages)
                .singleElement()
                .satisfies(message -> assertThat(message)
                        .startsWith("WARNING forward: feature 1 of a batch has NaN or infinity among its values (mean ")
                        .endsWith("stay NaN, whatever batches come, until resetRunningStatistics()"));
    }

    private static void train(String backend, float[] x, BatchShape shape, boolean useBatchStatistics) {
        try (BatchNorm layer = BatchNorm.builder(3).backend(backend).build()) {
            layer.useBatchStatistics(useBatchStatistics);
            layer.forward(x, new float[x.length], shape);
            layer.resetRunningStatistics();
            assertThat(layer.runningMean()).containsOnly(0);
        }
    }
}

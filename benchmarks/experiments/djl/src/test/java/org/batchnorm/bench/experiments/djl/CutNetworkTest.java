package org.batchnorm.bench.experiments.djl;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.nn.Activation;
import ai.djl.nn.Block;
import ai.djl.nn.Parameter;
import ai.djl.nn.SequentialBlock;
import ai.djl.nn.core.Linear;
import ai.djl.nn.norm.BatchNorm;
import ai.djl.training.GradientCollector;
import ai.djl.training.ParameterStore;
import ai.djl.training.loss.Loss;
import ai.djl.training.optimizer.Optimizer;
import ai.djl.training.tracker.Tracker;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.BiConsumer;
import org.batchnorm.bench.experiments.data.Dataset;
import org.batchnorm.bench.experiments.data.Digits;
import org.batchnorm.bench.experiments.data.TrainTest;
import org.batchnorm.bench.experiments.train.Batches;
import org.batchnorm.bench.experiments.train.Trainee;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** A network of DJL's that is cut at its batch normalizations, trained on the digits. */
class CutNetworkTest {
    private static final int BATCH = 60;

    private final NDManager manager = NDManager.newBaseManager("PyTorch");
    private final TrainTest digits = Digits.load();
    private final Shape input = new Shape(BATCH, digits.train().width());
    private final Loss loss = Loss.softmaxCrossEntropyLoss();

    @AfterEach
    void close() {
        manager.close();
    }

    @Test
    void trainsAsTheWholeNetworkDoesWithDjlsBatchNorm() {
        List<Block> parts = parts();
        Optimizer optimizer = sgd();
        try (CutNetwork cut = new CutNetwork(manager, parts, input)) {
            List<Block> ownParts = parts();
            SequentialBlock own = new SequentialBlock();
            List<BatchNorm> norms = new ArrayList<>();
            own.add(ownParts.getFirst());
            for (Block part : ownParts.subList(1, ownParts.size())) {
                norms.add(BatchNorm.builder().build());
                own.add(norms.getLast());
                own.add(part);
            }
            own.initialize(manager, DataType.FLOAT32, input);
            for (int i = 0; i < parts.size(); i++) {
                copy(parts.get(i), ownParts.get(i));
            }

            Batches batches = new Batches(digits.train(), BATCH, 1);
            for (int step = 0; step < 20; step++) {
                Trainee.Batch batch = batches.next();
                try (NDManager scope = manager.newSubManager()) {
                    NDArray x = scope.create(batch.x(), input);
                    NDArray labels = scope.create(batch.labels());
                    float cutLoss = cut.step(x, labels, loss, optimizer);
                    assertThat(cutLoss).isCloseTo(step(own, x, labels, optimizer), within(1e-5f));
                }
            }

            for (int i = 0; i < parts.size(); i++) {
                values(parts.get(i)).forEach(same(values(ownParts.get(i))));
            }
            for (int i = 0; i < norms.size(); i++) {
                org.batchnorm.BatchNorm layer = cut.layers().get(i).layer();
                Map.of(
                                "gamma", layer.weight(),
                                "beta", layer.bias(),
                                "runningMean", layer.runningMean(),
                                "runningVar", layer.runningVar())
                        .forEach(same(values(norms.get(i))));
            }
        }
    }

    @Test
    void learnsTheDigits() {
        try (CutNetwork network = new CutNetwork(manager, parts(), input)) {
            Optimizer optimizer = sgd();
            Batches batches = new Batches(digits.train(), BATCH, 1);
            for (int step = 0; step < 150; step++) {
                Trainee.Batch batch = batches.next();
                try (NDManager scope = manager.newSubManager()) {
                    network.step(scope.create(batch.x(), input), scope.create(batch.labels()), loss, optimizer);
                }
            }
            float[] running = network.layers().getFirst().layer().runningMean().clone();
            assertThat(accuracy(network, digits.test())).isGreaterThan(0.95);
            assertThat(network.layers().getFirst().layer().runningMean()).isEqualTo(running);
        }
    }

    private static List<Block> parts() {
        return List.of(
                Linear.builder().setUnits(100).build(),
                new SequentialBlock()
                        .add(Activation.reluBlock())
                        .add(Linear.builder().setUnits(50).build()),
                new SequentialBlock()
                        .add(Activation.reluBlock())
                        .add(Linear.builder().setUnits(10).build()));
    }

    private static Optimizer sgd() {
        return Optimizer.sgd().setLearningRateTracker(Tracker.fixed(0.2f)).build();
    }

    private float step(Block network, NDArray x, NDArray labels, Optimizer optimizer) {
        float value;
        try (GradientCollector collector = manager.getEngine().newGradientCollector()) {
            NDList y = network.forward(new ParameterStore(manager, false), new NDList(x), true);
            NDArray result = loss.evaluate(new NDList(labels), y);
            collector.backward(result);
            value = result.getFloat();
        }
        for (Parameter parameter : network.getParameters().values()) {
            if (parameter.requiresGradient()) {
                NDArray gradient = parameter.getArray().getGradient();
                optimizer.update(parameter.getId(), parameter.getArray(), gradient);
                gradient.subi(gradient);
            }
        }
        return value;
    }

    private static double accuracy(CutNetwork network, Dataset data) {
        float[] x = new float[data.size() * data.width()];
        for (int image = 0; image < data.size(); image++) {
            data.copyRow(image, x, image);
        }
        int right = 0;
        try (NDManager scope = NDManager.newBaseManager("PyTorch")) {
            NDArray scores = network.predict(scope.create(x, new Shape(data.size(), data.width())));
            long[] best = scores.argMax(1).toLongArray();
            for (int image = 0; image < data.size(); image++) {
                right += best[image] == data.label(image) ? 1 : 0;
            }
        }
        return (double) right / data.size();
    }

    private static void copy(Block from, Block to) {
        List<NDArray> arrays = arrays(to);
        for (int i = 0; i < arrays.size(); i++) {
            arrays.get(i).set(arrays(from).get(i).toFloatArray());
        }
    }

    private static List<NDArray> arrays(Block block) {
        return block.getParameters().values().stream().map(Parameter::getArray).toList();
    }

    private static Map<String, float[]> values(Block block) {
        Map<String, float[]> values = new TreeMap<>();
        block.getParameters()
                .forEach(named ->
                        values.put(named.getKey(), named.getValue().getArray().toFloatArray()));
        return values;
    }

    /** Rounding alone may tell them apart, after 20 steps. */
    private static BiConsumer<String, float[]> same(Map<String, float[]> expected) {
        return (name, values) -> assertThat(values).as(name).containsExactly(expected.get(name), within(1e-4f));
    }
}

package org.batchnorm.bench.experiments.papers;

import java.util.ArrayList;
import java.util.List;
import java.util.SortedSet;
import org.batchnorm.bench.experiments.network.LeakyReLU;
import org.batchnorm.bench.experiments.network.Noise;
import org.batchnorm.bench.experiments.network.Parameter;
import org.batchnorm.bench.experiments.network.Sequential;
import org.batchnorm.bench.experiments.train.Classifier;

/**
 * What the two experiments after Santurkar et al. 2018 share: the networks, and arithmetic with all their parameters.
 */
final class Santurkar {
    static final String WITH = "with batch norm";
    static final String NOISY = "batch norm and noise";
    static final String WITHOUT = "without";
    static final List<String> KINDS = List.of(WITH, NOISY, WITHOUT);

    static final double HIGH_RATE = 0.1;
    static final double LOW_RATE = 0.02;

    static final String NETWORK = "Five rectifier layers (LeakyReLU 0.01) of 100, weights of He et al. 2015, plain SGD,"
            + " learning rates 0.1 and 0.02, batches of 60; batch norm before the rectifier. Noise after batch norm: every"
            + " value is multiplied by a factor near one in [1, 1.25] and moved by one near one in [-0.5, 0.5], both drawn"
            + " anew for each feature and step.";

    private static final int HIDDEN_LAYERS = 5;
    private static final int BATCH_SIZE = 60;
    private static final String RATE = " at ";

    private Santurkar() {}

    /** The steps that are looked at. */
    static SortedSet<Integer> checkpoints(Setting setting) {
        return setting.scale() == Scale.BRIEF
                ? Steps.few(1, 60)
                : Steps.byDecade(1, setting.scale().of(2_000, 300, 60));
    }

    /** Every kind of network at both learning rates. */
    static List<String> variants() {
        List<String> variants = new ArrayList<>();
        for (double rate : List.of(HIGH_RATE, LOW_RATE)) {
            KINDS.forEach(kind -> variants.add(variant(kind, rate)));
        }
        return variants;
    }

    static String variant(String kind, double rate) {
        return kind + RATE + rate;
    }

    private static String kind(Trial trial) {
        return trial.variant().substring(0, trial.variant().indexOf(RATE));
    }

    static double rate(Trial trial) {
        return Double.parseDouble(trial.variant().substring(trial.variant().indexOf(RATE) + RATE.length()));
    }

    static Training training(Trial trial, Classifier classifier) {
        return Training.plainSgd(trial, classifier, rate(trial), BATCH_SIZE);
    }

    static Sequential network(Trial trial) {
        Setting setting = trial.setting();
        String kind = kind(trial);
        NetworkBuilder network = new NetworkBuilder(setting.inputs(), trial.weights());
        for (int i = 0; i < HIDDEN_LAYERS; i++) {
            long noiseSeed = trial.orderSeed() + ((long) i << 32);
            network.he(Networks.WIDTH)
                    .addIfAny(kind.equals(WITHOUT) ? null : setting::batchNorm)
                    .addIfAny(kind.equals(NOISY) ? width -> new Noise(width, noiseSeed) : null)
                    .add(LeakyReLU::new);
        }
        return network.glorot(setting.classes()).build();
    }

    /** Noise that the next step sees anew. */
    static void nextStep(Classifier classifier) {
        classifier.network().layers().forEach(layer -> {
            if (layer instanceof Noise noise) {
                noise.nextStep();
            }
        });
    }

    /** Copies of the values of parameters. */
    static List<float[]> values(List<Parameter> parameters) {
        return parameters.stream().map(parameter -> parameter.value().clone()).toList();
    }

    /** Copies of the gradients of parameters. */
    static List<float[]> gradients(List<Parameter> parameters) {
        return parameters.stream()
                .map(parameter -> parameter.gradient().clone())
                .toList();
    }

    /** Sets the parameters to {@code values − rate · direction}. */
    static void move(List<Parameter> parameters, List<float[]> values, List<float[]> direction, double rate) {
        for (int p = 0; p < parameters.size(); p++) {
            float[] to = parameters.get(p).value();
            for (int i = 0; i < to.length; i++) {
                to[i] = (float) (values.get(p)[i] - rate * direction.get(p)[i]);
            }
        }
    }

    /** Sets the parameters. */
    static void set(List<Parameter> parameters, List<float[]> values) {
        for (int p = 0; p < parameters.size(); p++) {
            System.arraycopy(values.get(p), 0, parameters.get(p).value(), 0, values.get(p).length);
        }
    }

    static double dot(List<float[]> a, List<float[]> b) {
        double sum = 0;
        for (int p = 0; p < a.size(); p++) {
            for (int i = 0; i < a.get(p).length; i++) {
                sum += (double) a.get(p)[i] * b.get(p)[i];
            }
        }
        return sum;
    }

    static double norm(List<float[]> a) {
        return Math.sqrt(dot(a, a));
    }

    static double distance(List<float[]> a, List<float[]> b) {
        return Math.sqrt(Math.max(0, dot(a, a) - 2 * dot(a, b) + dot(b, b)));
    }

    static double cosine(List<float[]> a, List<float[]> b) {
        return dot(a, b) / (norm(a) * norm(b));
    }

    /** A line a kind of network at one learning rate, over the steps. */
    static LineChart chart(Table table, String title, String quantity, String yTitle, double rate) {
        LineChart chart = new LineChart(title, "steps", yTitle).logarithmicX();
        KINDS.forEach(kind -> chart.line(kind, table.series(quantity, variant(kind, rate))));
        return chart;
    }
}

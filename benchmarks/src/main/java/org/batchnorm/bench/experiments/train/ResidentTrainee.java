package org.batchnorm.bench.experiments.train;

import org.batchnorm.bench.experiments.data.Dataset;
import org.batchnorm.bench.experiments.train.ResidentTraining.ResidentModel;

/** A network that lives on a device. Its losses are read back when it is evaluated, and not before. */
final class ResidentTrainee implements Trainee {
    private final String name;
    private final ResidentModel model;
    private final boolean batchNorm;
    private final Curve curve;

    /**
     * A network about to be trained.
     *
     * @param model closed with this trainee
     * @param batchNorm whether it has batch norm
     * @param steps how many it will take at most
     */
    ResidentTrainee(String name, ResidentModel model, boolean batchNorm, int steps) {
        this.name = name;
        this.model = model;
        this.batchNorm = batchNorm;
        this.curve = new Curve(steps);
    }

    @Override
    public String name() {
        return name;
    }

    @Override
    public Curve curve() {
        return curve;
    }

    @Override
    public boolean hasBatchNorm() {
        return batchNorm;
    }

    @Override
    public String place() {
        return model.device();
    }

    @Override
    public void step(Batch batch) {
        long start = System.nanoTime();
        model.step(batch.images());
        curve.addStep(System.nanoTime() - start);
    }

    @Override
    public void evaluate(Dataset test) {
        curve.setTrainingLosses(model.losses());
        ResidentTraining.Score score = model.evaluate();
        curve.addEvaluation(score.loss(), score.accuracy());
    }

    @Override
    public void close() {
        model.close();
    }
}

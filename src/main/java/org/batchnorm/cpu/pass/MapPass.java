package org.batchnorm.cpu.pass;

import org.batchnorm.cpu.cut.Columns;
import org.batchnorm.cpu.cut.Cut;
import org.batchnorm.cpu.cut.CutPolicy;
import org.batchnorm.cpu.kernel.Coefficients;
import org.batchnorm.cpu.kernel.Elementwise;
import org.batchnorm.cpu.kernel.Operands;
import org.batchnorm.cpu.kernel.PerFeature;
import org.batchnorm.cpu.kernel.Rows;
import org.batchnorm.cpu.kernel.Runs;
import org.batchnorm.cpu.kernel.scalar.WideElementwise;
import org.batchnorm.cpu.operation.Operation;

/** The pass that maps the inputs to the output, a block at a time. */
final class MapPass extends Pass {
    private final MergePass merge;
    private boolean mergesAll;

    MapPass(Scratch scratch, MergePass merge, Operation first) {
        super(scratch, first);
        this.merge = merge;
    }

    /**
     * Takes an operation.
     *
     * @param newMergesAll whether every thread first merges all features for itself
     */
    MapPass of(Operation newOperation, Cut newCut, boolean newMergesAll) {
        take(newOperation, newCut);
        mergesAll = newMergesAll;
        if (!operation.reduces() && !makesOwnCoefficients()) {
            operation.prepareMap(cut, operation.features, scratch.coefficients);
        }
        return this;
    }

    private boolean makesOwnCoefficients() {
        return mergesAll || (!operation.reduces() && CutPolicy.isMadeByAll(cut.features));
    }

    @Override
    public void prepare(int participant) {
        Coefficients own = scratch.of(participant).coefficients;
        boolean makesOwn = makesOwnCoefficients();
        if (makesOwn || cut.columns.isExpanded()) {
            own.reserve(cut.columns.width);
        }
        if (mergesAll) {
            merge.mergeAll(participant);
        } else if (makesOwn) {
            operation.prepareMap(cut, operation.features, own);
        }
        if (cut.columns.isExpanded()) {
            own.expand(makesOwn ? own : scratch.coefficients, cut.columns, operation.mapped.hasSecond());
        }
    }

    private Coefficients coefficients(int participant) {
        boolean own = cut.columns.isExpanded() || makesOwnCoefficients();
        return own ? scratch.of(participant).coefficients : scratch.coefficients;
    }

    @Override
    public void run(int block, int participant) {
        map(cut.partialOf(block), cut.firstFeature(block), cut.endFeature(block), participant);
    }

    /** Maps the features {@code from} to {@code to} of those rows or images that belong to one partial sum. */
    void map(int partial, int from, int to, int participant) {
        Elementwise kernel = operation.elementwise();
        if (coefficients(participant).haveWide) {
            PerFeature f = mergesAll ? merge.features(participant) : operation.features;
            WideElementwise wide = scratch.of(participant).wide();
            kernel = wide.of(kernel, f, operation.isGradient(), cut.columns, operation.conversions());
        }
        if (cut.byRows) {
            mapRows(cut.rowPartOf(partial), from, to, participant, kernel);
        } else {
            mapImages(partial, from, to, participant, kernel);
        }
    }

    private void mapRows(int part, int from, int to, int participant, Elementwise kernel) {
        Operands operands = operation.mapped;
        Coefficients c = coefficients(participant);
        Rows rows = scratch.of(participant).rows;
        rows.cached = operands.hasSecond() ? CutPolicy.isCached(cut.shape, 3) : CutPolicy.fitsFirstLevel(cut.shape, 2);
        rows.fourAtOnce = CutPolicy.mapsFourRows(cut);
        Columns columns = cut.columns;
        int width = columns.width;
        long first = cut.firstRow(part);
        rows.columns(width, columns.first(from), columns.end(to));
        kernel.rows(operands, rows.rows(first * width, cut.endRow(part) - first), c);
        if (cut.hasLooseRows(part)) {
            rows.columns(columns.ofDataRow(), 0, columns.ofDataRow());
            kernel.rows(operands, rows.rows(cut.rows * width, cut.looseRows), c);
        }
    }

    private void mapImages(int partial, int from, int to, int participant, Elementwise kernel) {
        Operands operands = operation.mapped;
        Coefficients c = coefficients(participant);
        Runs runs = scratch.of(participant).runs;
        int part = cut.rowPartOf(partial);
        long spatial = cut.shape.spatial();
        long first = cut.firstRow(part);
        long images = cut.endRow(part) - first;
        boolean wholeRuns = cut.firstPosition(partial) == 0 && cut.endPosition(partial) == spatial;
        if (wholeRuns && spatial <= CutPolicy.MAPPED_RUN) {
            runs.images(images, cut.imageApart()).channels(from, to, spatial);
            kernel.runs(operands, runs.values(first * cut.imageApart() + from * spatial, (int) spatial), c);
            return;
        }
        long end = cut.endPosition(partial);
        for (long image = first; image < first + images; image++) {
            runs.images(1, cut.imageApart());
            for (int channel = from; channel < to; channel++) {
                long run = image * cut.imageApart() + channel * spatial;
                runs.channels(channel, channel + 1, spatial);
                for (long s = cut.firstPosition(partial); s < end; s += CutPolicy.MAPPED_RUN) {
                    runs.values(run + s, (int) Math.min(CutPolicy.MAPPED_RUN, end - s));
                    kernel.runs(operands, runs, c);
                }
            }
        }
    }
}

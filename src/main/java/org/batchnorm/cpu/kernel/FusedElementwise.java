package org.batchnorm.cpu.kernel;

/** An {@link Elementwise} map with what a {@link Fusion} does beside it, a piece at a time. */
public final class FusedElementwise implements Elementwise {
    private final Fusion fusion;

    /** A map for many operations. */
    public FusedElementwise(Fusion fusion) {
        this.fusion = fusion;
    }

    @Override
    public void rows(Operands o, Rows r, Coefficients c) {
        Stage stage = r.tile.stage();
        if (Stage.isDirect(fusion, r.width)) {
            int together = Stage.countOf(r.width);
            for (long i = 0; i < r.count; i += together) {
                Operands piece = stage.directRows(fusion, o, r, i, (int) Math.min(together, r.count - i));
                fusion.kernels().elementwise(piece).rows(piece, stage.rows, c);
                stage.finishDirect(fusion, r.from);
            }
            return;
        }
        int columns = Stage.columnsOf(r.to - r.from);
        int rows = Stage.countOf(columns);
        for (long i = 0; i < r.count; i += rows) {
            int count = (int) Math.min(rows, r.count - i);
            for (int j = r.from; j < r.to; j += columns) {
                stage.rows(r.first + i * r.width + j, r.width, count, j, Math.min(columns, r.to - j));
                stage.read(fusion, true);
                Operands piece = piece(stage, o);
                fusion.kernels().elementwise(piece).rows(piece, stage.rows, c);
                stage.write(fusion);
            }
        }
    }

    @Override
    public void runs(Operands o, Runs r, Coefficients c) {
        Stage stage = r.tile.stage();
        if (Stage.isDirect(fusion, 1)) {
            for (int channel = r.from; channel < r.to; channel++) {
                for (long i = 0; i < r.images; i++) {
                    long run = r.first + (channel - r.from) * r.channelApart + i * r.imageApart;
                    for (int at = 0; at < r.length; at += Stage.SIZE) {
                        int length = Math.min(Stage.SIZE, r.length - at);
                        Operands piece = stage.directRun(fusion, o, run + at, length, channel);
                        fusion.kernels().elementwise(piece).runs(piece, stage.runs, c);
                        stage.finishDirect(fusion, 0);
                    }
                }
            }
            return;
        }
        int images = Stage.countOf(r.length);
        for (int channel = r.from; channel < r.to; channel++) {
            long run = r.first + (channel - r.from) * r.channelApart;
            for (long i = 0; i < r.images; i += images) {
                int count = (int) Math.min(images, r.images - i);
                for (int s = 0; s < r.length; s += Stage.SIZE) {
                    int length = Math.min(Stage.SIZE, r.length - s);
                    stage.runs(run + i * r.imageApart + s, r.imageApart, count, length, channel);
                    stage.read(fusion, false);
                    Operands piece = piece(stage, o);
                    fusion.kernels().elementwise(piece).runs(piece, stage.runs, c);
                    stage.write(fusion);
                }
            }
        }
    }

    /** With given statistics dx does not depend on x: the map then has one input, which is dy. */
    private Operands piece(Stage stage, Operands o) {
        boolean ofGradient = fusion.tensors.hasSecond() && !o.hasSecond();
        return ofGradient ? stage.gradientAlone() : stage.operands(o.hasSecond());
    }
}

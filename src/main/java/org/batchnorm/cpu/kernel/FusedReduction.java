package org.batchnorm.cpu.kernel;

/** A {@link Reduction} of what a {@link Fusion} makes of the tensors, a piece at a time. */
public final class FusedReduction implements Reduction {
    private final Fusion fusion;

    /** A reduction for many operations. */
    public FusedReduction(Fusion fusion) {
        this.fusion = fusion;
    }

    /** A piece is in the first-level cache. */
    @Override
    public int streams(boolean cached) {
        return 1;
    }

    @Override
    public void sample(Operands o, Rows r, Coefficients c) {
        Stage stage = r.tile.stage();
        long[] positions = r.tile.positions;
        int samples = (int) r.count;
        long apart = positions[samples - 1] / Math.max(1, samples - 1);
        for (int j = r.from; j < r.to; j += Stage.SIZE / samples) {
            int columns = Math.min(Stage.SIZE / samples, r.to - j);
            stage.rows(r.first + j, apart, samples, j, columns);
            for (int i = 0; i < samples; i++) {
                positions[i] = (long) i * columns;
            }
            stage.read(fusion, true);
            Operands piece = stage.operands(o.hasSecond());
            fusion.kernels().sampling(piece, false).sample(piece, stage.rows, c);
        }
    }

    @Override
    public void rows(Operands o, Rows r, Coefficients c, ColumnSums s) {
        Stage stage = r.tile.stage();
        if (Stage.isDirect(fusion, r.width)) {
            int together = Stage.countOf(r.width);
            for (long i = 0; i < r.count; i += together) {
                Operands piece = stage.directRows(fusion, o, r, i, (int) Math.min(together, r.count - i));
                fusion.kernels().reduction(piece).rows(piece, stage.rows, c, s);
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
                Operands piece = stage.operands(o.hasSecond());
                fusion.kernels().reduction(piece).rows(piece, stage.rows, c, s);
            }
        }
    }

    @Override
    public void runs(Operands o, Runs r, Coefficients c, Sums s) {
        Stage stage = r.tile.stage();
        if (Stage.isDirect(fusion, 1)) {
            for (int channel = r.from; channel < r.to; channel++) {
                for (long i = 0; i < r.images; i++) {
                    long run = r.first + (channel - r.from) * r.channelApart + i * r.imageApart;
                    for (int at = 0; at < r.length; at += Stage.SIZE) {
                        int length = Math.min(Stage.SIZE, r.length - at);
                        Operands piece = stage.directRun(fusion, o, run + at, length, channel);
                        fusion.kernels().reduction(piece).runs(piece, stage.runs, c, s);
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
                for (int at = 0; at < r.length; at += Stage.SIZE) {
                    int length = Math.min(Stage.SIZE, r.length - at);
                    stage.runs(run + i * r.imageApart + at, r.imageApart, count, length, channel);
                    stage.read(fusion, false);
                    Operands piece = stage.operands(o.hasSecond());
                    fusion.kernels().reduction(piece).runs(piece, stage.runs, c, s);
                }
            }
        }
    }
}

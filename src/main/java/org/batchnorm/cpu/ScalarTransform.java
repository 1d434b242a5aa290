package org.batchnorm.cpu;

/** {@link Transform} in plain loops over pieces that are copied into a {@link Tile} and back. */
final class ScalarTransform implements Transform {
    @Override
    public void rows(
            Object x,
            long xStart,
            Object y,
            long yStart,
            long rows,
            long width,
            int from,
            int to,
            boolean near,
            Coefficients coefficients) {
        Tile tile = Tile.current();
        int together = Tile.rowsTogether(rows, width, from, to);
        for (int j = from; j < to; j += Tile.SIZE) {
            int length = Math.min(Tile.SIZE, to - j);
            Tile.repeat(coefficients.centre, j, length, together, tile.b);
            Tile.repeat(coefficients.scale, j, length, together, tile.c);
            Tile.repeat(coefficients.offset, j, length, together, tile.d);
            for (long r = 0; r < rows; r += together) {
                int piece = length * (int) Math.min(together, rows - r);
                Memory.read(x, xStart + r * width + j, tile.a, 0, piece);
                transform(tile.a, tile.b, tile.c, tile.d, piece);
                Memory.write(tile.a, 0, y, yStart + r * width + j, piece);
            }
        }
    }

    private static void transform(float[] values, float[] centre, float[] scale, float[] offset, int length) {
        for (int j = 0; j < length; j++) {
            values[j] = (values[j] - centre[j]) * scale[j] + offset[j];
        }
    }

    @Override
    public void runs(
            Object x,
            long xStart,
            Object y,
            long yStart,
            long images,
            long imageApart,
            int from,
            int to,
            long channelApart,
            int length,
            Coefficients coefficients) {
        Tile tile = Tile.current();
        for (long i = 0; i < images; i++) {
            for (int c = from; c < to; c++) {
                long run = i * imageApart + (c - from) * channelApart;
                for (int j = 0; j < length; j += Tile.SIZE) {
                    int piece = Math.min(Tile.SIZE, length - j);
                    Memory.read(x, xStart + run + j, tile.a, 0, piece);
                    transform(tile.a, coefficients.centre[c], coefficients.scale[c], coefficients.offset[c], piece);
                    Memory.write(tile.a, 0, y, yStart + run + j, piece);
                }
            }
        }
    }

    private static void transform(float[] values, float centre, float scale, float offset, int length) {
        for (int j = 0; j < length; j++) {
            values[j] = (values[j] - centre) * scale + offset;
        }
    }
}

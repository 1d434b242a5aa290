package org.batchnorm.cpu;

/** {@link InputGradient} in plain loops over pieces that are copied into a {@link Tile} and back. */
final class ScalarInputGradient implements InputGradient {
    @Override
    public void rows(
            Object x,
            long xStart,
            Object dy,
            long dyStart,
            Object dx,
            long dxStart,
            long rows,
            long width,
            int from,
            int to,
            boolean cached,
            Coefficients coefficients) {
        Tile tile = Tile.current();
        int together = Tile.rowsTogether(rows, width, from, to);
        for (int j = from; j < to; j += Tile.SIZE) {
            int length = Math.min(Tile.SIZE, to - j);
            tile.repeat(coefficients, j, length, together);
            for (long r = 0; r < rows; r += together) {
                long row = r * width + j;
                int piece = length * (int) Math.min(together, rows - r);
                Memory.read(x, xStart + row, tile.a, 0, piece);
                Memory.read(dy, dyStart + row, tile.b, 0, piece);
                gradient(tile.a, tile.b, tile.coefficients, piece);
                Memory.write(tile.b, 0, dx, dxStart + row, piece);
            }
        }
    }

    private static void gradient(float[] x, float[] dy, Coefficients coefficients, int length) {
        float[] centre = coefficients.centre;
        float[] dyCentre = coefficients.dyCentre;
        float[] scale = coefficients.scale;
        float[] slope = coefficients.slope;
        float[] offset = coefficients.offset;
        for (int j = 0; j < length; j++) {
            dy[j] = ((dy[j] - dyCentre[j]) + (x[j] - centre[j]) * slope[j]) * scale[j] + offset[j];
        }
    }

    @Override
    public void runs(
            Object x,
            long xStart,
            Object dy,
            long dyStart,
            Object dx,
            long dxStart,
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
                for (int j = 0; j < length; j += Tile.SIZE) {
                    long run = i * imageApart + (c - from) * channelApart + j;
                    int piece = Math.min(Tile.SIZE, length - j);
                    Memory.read(x, xStart + run, tile.a, 0, piece);
                    Memory.read(dy, dyStart + run, tile.b, 0, piece);
                    gradient(
                            tile.a,
                            tile.b,
                            coefficients.centre[c],
                            coefficients.dyCentre[c],
                            coefficients.scale[c],
                            coefficients.slope[c],
                            coefficients.offset[c],
                            piece);
                    Memory.write(tile.b, 0, dx, dxStart + run, piece);
                }
            }
        }
    }

    private static void gradient(
            float[] x, float[] dy, float centre, float dyCentre, float scale, float slope, float offset, int length) {
        for (int j = 0; j < length; j++) {
            dy[j] = ((dy[j] - dyCentre) + (x[j] - centre) * slope) * scale + offset;
        }
    }
}

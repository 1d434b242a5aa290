package org.batchnorm.cpu.kernel.scalar;

import org.batchnorm.cpu.kernel.Conversions;
import org.batchnorm.cpu.kernel.Memory;
import org.batchnorm.cpu.kernel.Operands;
import org.batchnorm.cpu.kernel.PerFeature;
import org.batchnorm.cpu.kernel.Tile;

/** Copies pieces of the inputs into a {@link Tile}, staged or not, for what works on them in double precision. */
final class WideInputs {
    private WideInputs() {}

    /**
     * Copies {@code input(x)}, or z where that is made of y, into {@code tile.a}, and into {@code tile.b} the second
     * input, if there is one: {@code dy · output′(z)}, or the residual.
     *
     * @param f in, for the z of a feature of which float32 does not hold what makes it
     * @param features in, the feature of each value of the piece
     */
    static void read(
            Operands o, PerFeature f, Conversions conversions, Tile tile, long at, int length, int[] features) {
        Operands piece = o;
        long position = at;
        if (o.isStaged()) {
            piece = tile.stage().of(o, conversions).loadValues(o, at, length);
            position = 0;
        }
        ScalarInputs.readX(piece, position, tile.a, length);
        if (o.needsForward()) {
            for (int j = 0; j < length; j++) {
                tile.b[j] = InDouble.gradient(o, f, at + j, features[j]);
            }
        } else if (o.undoesOutput()) {
            ScalarInputs.readBoth(piece, position, tile.a, tile.b, tile.forward, length);
        } else if (o.hasSecond()) {
            Memory.read(piece.second, piece.secondStart + position, tile.b, length);
        }
    }
}

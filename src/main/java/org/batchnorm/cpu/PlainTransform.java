package org.batchnorm.cpu;

/** What {@link VectorTransform} computes, bit for bit, without the Vector API: for the columns that fill no vector, and for all of them until the vector loops are compiled. */
class PlainTransform extends ScalarTransform {
    @Override
    final void transform(float[] values, float[] centre, float[] scale, float[] offset, int length) {
        for (int j = 0; j < length; j++) {
            values[j] = Math.fma(values[j] - centre[j], scale[j], offset[j]);
        }
    }

    @Override
    final void transform(float[] values, float centre, float scale, float offset, int length) {
        for (int j = 0; j < length; j++) {
            values[j] = Math.fma(values[j] - centre, scale, offset);
        }
    }
}

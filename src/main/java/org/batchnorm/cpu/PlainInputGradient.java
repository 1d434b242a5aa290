package org.batchnorm.cpu;

/** What {@link VectorInputGradient} computes, bit for bit, without the Vector API: for the columns that fill no vector, and for all of them until the vector loops are compiled. */
class PlainInputGradient extends ScalarInputGradient {
    @Override
    final void gradient(float[] x, float[] dy, Coefficients coefficients, int length) {
        float[] centre = coefficients.centre;
        float[] dyCentre = coefficients.dyCentre;
        float[] scale = coefficients.scale;
        float[] slope = coefficients.slope;
        float[] offset = coefficients.offset;
        for (int j = 0; j < length; j++) {
            dy[j] = (Math.fma(x[j] - centre[j], slope[j], dy[j] - dyCentre[j]) + offset[j]) * scale[j];
        }
    }

    @Override
    final void gradient(
            float[] x, float[] dy, float centre, float dyCentre, float scale, float slope, float offset, int length) {
        for (int j = 0; j < length; j++) {
            dy[j] = (Math.fma(x[j] - centre, slope, dy[j] - dyCentre) + offset) * scale;
        }
    }
}

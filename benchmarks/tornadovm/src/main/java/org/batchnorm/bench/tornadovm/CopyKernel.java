package org.batchnorm.bench.tornadovm;

import uk.ac.manchester.tornado.api.KernelContext;
import uk.ac.manchester.tornado.api.types.arrays.FloatArray;

/** The yardstick: what the device can move. */
final class CopyKernel {

    /** Work-items of a work-group. */
    static final int GROUP = 256;

    /** Values of a work-item, loaded before the first is stored. */
    static final int VALUES = 8;

    private CopyKernel() {}

    /**
     * {@code y = x}.
     *
     * <p><b>Grid</b> (⌈n / (GROUP · VALUES)⌉ · GROUP), <b>local</b> (GROUP); neighbouring work-items on neighbouring
     * values. <b>Bytes</b>: 8 · n.
     *
     * @param x in, (n)
     * @param y out, (n)
     */
    static void copy(KernelContext context, FloatArray x, FloatArray y, int n) {
        int first = context.groupIdx * (GROUP * VALUES) + context.localIdx;
        if (first + (VALUES - 1) * GROUP < n) {
            float x0 = x.get(first);
            float x1 = x.get(first + GROUP);
            float x2 = x.get(first + 2 * GROUP);
            float x3 = x.get(first + 3 * GROUP);
            float x4 = x.get(first + 4 * GROUP);
            float x5 = x.get(first + 5 * GROUP);
            float x6 = x.get(first + 6 * GROUP);
            float x7 = x.get(first + 7 * GROUP);
            y.set(first, x0);
            y.set(first + GROUP, x1);
            y.set(first + 2 * GROUP, x2);
            y.set(first + 3 * GROUP, x3);
            y.set(first + 4 * GROUP, x4);
            y.set(first + 5 * GROUP, x5);
            y.set(first + 6 * GROUP, x6);
            y.set(first + 7 * GROUP, x7);
        }
        if (first + (VALUES - 1) * GROUP >= n) {
            for (int i = first; i < n; i += GROUP) {
                y.set(i, x.get(i));
            }
        }
    }
}

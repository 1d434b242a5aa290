package org.batchnorm.cpu;

/** Where {@link CpuOperations} gets its kernels from, asked anew for every operation. Whatever the answers, the results are the same. */
interface KernelSource {
    /**
     * The kernels to use now.
     *
     * @param byRows whether for rows, else for runs, as {@link Blocks} tells them apart
     * @param backward whether for the backward operation, else for the others
     */
    Kernels kernels(boolean byRows, boolean backward);
}

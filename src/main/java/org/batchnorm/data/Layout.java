package org.batchnorm.data;

/** The order of the axes in memory: where the features (channels, C) stand. */
public enum Layout {
    /**
     * (N, C, S): the spatial positions of one feature of one sample are contiguous. PyTorch's default (NCL, NCHW,
     * NCDHW).
     */
    CHANNELS_FIRST,
    /** (N, S, C): the features of one position are contiguous (NLC, NHWC, NDHWC). */
    CHANNELS_LAST
}

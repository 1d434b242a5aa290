package org.batchnorm.conformance;

/** What a case may expect of a layer. A case file has it under the name {@code expected.<name>}. */
public enum Quantity {
    /** The output, of x's shape. */
    Y("y"),
    /** The gradient of the loss with respect to x, of x's shape. */
    DX("dx"),
    /** The gradient of the loss with respect to γ, (C). */
    DWEIGHT("dweight"),
    /** The gradient of the loss with respect to β, (C). */
    DBIAS("dbias"),
    /** The mean with which the batch was normalized, (C). */
    MEAN("mean"),
    /** {@code 1 / sqrt(var + eps)} with which the batch was normalized, (C). */
    RSTD("rstd"),
    /** The running mean after the forward, (C). */
    RUNNING_MEAN("running_mean"),
    /** The running variance after the forward, (C). */
    RUNNING_VAR("running_var"),
    /** The number of batches after the forward, an integer. */
    NUM_BATCHES_TRACKED("num_batches_tracked");

    private final String tensorName;

    Quantity(String tensorName) {
        this.tensorName = tensorName;
    }

    /** Its name in files and reports. */
    public String tensorName() {
        return tensorName;
    }
}

/** Batch normalization for training loops on the tensors of {@code org.bytedeco:pytorch}. */
@NullMarked
package org.batchnorm.pytorch;

import org.jspecify.annotations.NullMarked;

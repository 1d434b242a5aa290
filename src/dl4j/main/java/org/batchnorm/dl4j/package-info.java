/** Deeplearning4j's batch normalization layer, computed by this library. */
@NullMarked
package org.batchnorm.dl4j;

import org.jspecify.annotations.NullMarked;

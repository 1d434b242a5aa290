/** Statistics of the tasks of a Spark barrier stage. */
@NullMarked
package org.batchnorm.spark;

import org.jspecify.annotations.NullMarked;

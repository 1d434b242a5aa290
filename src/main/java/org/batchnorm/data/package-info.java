/** The data of a batch: its shape, its element type, and a view of where its values are in host memory. */
@NullMarked
package org.batchnorm.data;

import org.jspecify.annotations.NullMarked;

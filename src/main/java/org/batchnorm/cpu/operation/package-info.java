/** The operations, one class each: what is reduced, what is merged, what is mapped. */
@NullMarked
package org.batchnorm.cpu.operation;

import org.jspecify.annotations.NullMarked;

/** The loops of the backend scalar, in plain Java. */
@NullMarked
package org.batchnorm.cpu.kernel.scalar;

import org.jspecify.annotations.NullMarked;

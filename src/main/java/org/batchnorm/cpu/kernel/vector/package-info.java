/** The loops of the backend vector, on the JDK's Vector API. */
@NullMarked
package org.batchnorm.cpu.kernel.vector;

import org.jspecify.annotations.NullMarked;

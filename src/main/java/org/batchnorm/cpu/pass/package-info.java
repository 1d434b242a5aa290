/** The passes over the blocks of a batch, and the order and the threads in which they run. */
@NullMarked
package org.batchnorm.cpu.pass;

import org.jspecify.annotations.NullMarked;

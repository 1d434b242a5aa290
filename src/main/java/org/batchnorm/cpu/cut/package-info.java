/** How the values of a shape are cut into blocks, and every threshold by which that is decided. */
@NullMarked
package org.batchnorm.cpu.cut;

import org.jspecify.annotations.NullMarked;

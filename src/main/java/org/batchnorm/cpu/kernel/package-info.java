/** What the loops of both backends have in common: their contracts, and what they work on. */
@NullMarked
package org.batchnorm.cpu.kernel;

import org.jspecify.annotations.NullMarked;

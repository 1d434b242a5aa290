@NullMarked
package org.batchnorm.tornadovm;

import org.jspecify.annotations.NullMarked;

/** What of the command line works on a TornadoVM device itself. The commands find it as services. */
@NullMarked
package org.batchnorm.bench.tornadovm;

import org.jspecify.annotations.NullMarked;

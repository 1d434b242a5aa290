/** Measurements on a device itself, with its own clock. What takes them needs TornadoVM and is found as a service. */
@NullMarked
package org.batchnorm.bench.jmh.device;

import org.jspecify.annotations.NullMarked;

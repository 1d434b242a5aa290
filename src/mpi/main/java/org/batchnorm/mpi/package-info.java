/** Statistics of several processes, through the MPI that is installed. */
@NullMarked
package org.batchnorm.mpi;

import org.jspecify.annotations.NullMarked;

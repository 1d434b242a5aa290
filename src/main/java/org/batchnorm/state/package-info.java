/**
 * Tensors with a shape and a type, and the safetensors files that they are stored in: the form in which a layer's state
 * is exchanged with other libraries.
 */
@NullMarked
package org.batchnorm.state;

import org.jspecify.annotations.NullMarked;

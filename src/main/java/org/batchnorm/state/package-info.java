/**
 * Tensors with a shape and a type, and the safetensors files that store them. Layers exchange their state with other
 * libraries in this form.
 */
@NullMarked
package org.batchnorm.state;

import org.jspecify.annotations.NullMarked;

/** Layers: small pieces with named parameters, made of differentiable tensor operations. */
@NullMarked
package org.finetune4j.nn;

import org.jspecify.annotations.NullMarked;

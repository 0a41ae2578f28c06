/**
 * The only room that sees libtorch. {@link org.finetune4j.tensor.Tensor} wraps one native tensor, {@link
 * org.finetune4j.tensor.TensorScope} frees what a block of code made, {@link org.finetune4j.tensor.Torch} loads and tunes
 * the one libtorch that DJL's engine and JavaCPP share.
 */
@NullMarked
package org.finetune4j.tensor;

import org.jspecify.annotations.NullMarked;

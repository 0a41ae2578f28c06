/** Numbers in 4 and 8 bits by code books and the largest value of a block (Dettmers et al. 2021 and 2023). */
@NullMarked
package org.finetune4j.quant.blockwise;

import org.jspecify.annotations.NullMarked;

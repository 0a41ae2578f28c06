/** The safetensors format, and checkpoints made of such files. */
@NullMarked
package org.finetune4j.model.safetensors;

import org.jspecify.annotations.NullMarked;

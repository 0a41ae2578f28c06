/** GGUF, the model format of llama.cpp: writing a checkpoint in it, and reading what was written. */
@NullMarked
package org.finetune4j.model.gguf;

import org.jspecify.annotations.NullMarked;

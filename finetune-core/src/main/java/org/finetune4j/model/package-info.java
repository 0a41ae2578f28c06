/** Models in Hugging Face format: configuration, weights and tokenizer, one file per architecture. */
@NullMarked
package org.finetune4j.model;

import org.jspecify.annotations.NullMarked;

/**
 * From files to batches: records, prompt templates, tokenised samples with labels, seeded batches and their loading in
 * the background. Everything here is plain Java arrays; tensors begin in the trainer.
 */
@NullMarked
package org.finetune4j.data;

import org.jspecify.annotations.NullMarked;

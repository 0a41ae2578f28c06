/** Trains a small byte-level BPE tokenizer and writes it in the format that Hugging Face tokenizers load. */
@NullMarked
package org.finetune4j.cli.quickstart.tokenizer;

import org.jspecify.annotations.NullMarked;

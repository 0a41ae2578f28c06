/** Models from, and to, a Hugging Face compatible hub, through the cache that Python's huggingface_hub uses too. */
@NullMarked
package org.finetune4j.model.hub;

import org.jspecify.annotations.NullMarked;

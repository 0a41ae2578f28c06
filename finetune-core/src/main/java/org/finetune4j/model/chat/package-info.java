/** Chat templates: Hugging Face's Jinja templates, rendered as transformers renders them. */
@NullMarked
package org.finetune4j.model.chat;

import org.jspecify.annotations.NullMarked;

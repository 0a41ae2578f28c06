/** An OpenAI-compatible service: one base model, many adapters. */
@NullMarked
package org.finetune4j.serve;

import org.jspecify.annotations.NullMarked;

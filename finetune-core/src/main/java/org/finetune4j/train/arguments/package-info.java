/** How to train, as a user says it: named as in transformers' {@code TrainingArguments}. */
@NullMarked
package org.finetune4j.train.arguments;

import org.jspecify.annotations.NullMarked;

/** How good a model's answers are: exact match, ROUGE, BLEU, and choices by their likelihood. */
@NullMarked
package org.finetune4j.train.evaluation;

import org.jspecify.annotations.NullMarked;

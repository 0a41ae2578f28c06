/** Training on what the model itself answers: prompts, answers, their scores, and the steps that are made of them. */
@NullMarked
package org.finetune4j.rlhf.rollout;

import org.jspecify.annotations.NullMarked;

/** What methods share that learn virtual tokens: encoders that make them, their files, what they start from. */
@NullMarked
package org.finetune4j.peft.promptlearning;

import org.jspecify.annotations.NullMarked;

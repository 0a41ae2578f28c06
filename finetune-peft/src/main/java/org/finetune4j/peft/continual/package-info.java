/** Learning one task after another without forgetting: replay, penalties on parameters, orthogonal subspaces. */
@NullMarked
package org.finetune4j.peft.continual;

import org.jspecify.annotations.NullMarked;

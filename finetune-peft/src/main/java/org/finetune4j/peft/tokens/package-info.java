/** Training of some tokens' rows alone. */
@NullMarked
package org.finetune4j.peft.tokens;

import org.jspecify.annotations.NullMarked;

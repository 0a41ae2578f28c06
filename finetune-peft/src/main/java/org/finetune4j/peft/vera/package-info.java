/** Vector-based random matrix adaptation: trained scales around shared random matrices. */
@NullMarked
package org.finetune4j.peft.vera;

import org.jspecify.annotations.NullMarked;

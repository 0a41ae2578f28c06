/** What parameter-efficient methods share: which modules they target, what they copy, and PEFT's file format. */
@NullMarked
package org.finetune4j.peft;

import org.jspecify.annotations.NullMarked;

/** SHiRA: a few elements of each weight train. */
@NullMarked
package org.finetune4j.peft.shira;

import org.jspecify.annotations.NullMarked;

/** Where scores of answers come from: functions, models, programs and services, one file each. */
@NullMarked
package org.finetune4j.rlhf.rewards;

import org.jspecify.annotations.NullMarked;

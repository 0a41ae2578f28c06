/** What is looked at before a training starts: errors that stop it, warnings that name the remedy. */
@NullMarked
package org.finetune4j.train.preflight;

import org.jspecify.annotations.NullMarked;

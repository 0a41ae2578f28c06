/** Which method for which situation, with reasons, memory and time. */
@NullMarked
package org.finetune4j.cli.advise;

import org.jspecify.annotations.NullMarked;

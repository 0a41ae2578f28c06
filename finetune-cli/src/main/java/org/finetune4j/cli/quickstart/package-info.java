/** The quick start: a small model, a task it cannot do yet, and the run that teaches it. */
@NullMarked
package org.finetune4j.cli.quickstart;

import org.jspecify.annotations.NullMarked;

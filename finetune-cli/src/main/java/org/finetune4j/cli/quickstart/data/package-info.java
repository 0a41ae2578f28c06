/** The small world that the quick start's model is pre-trained on, and the instruction task about it. */
@NullMarked
package org.finetune4j.cli.quickstart.data;

import org.jspecify.annotations.NullMarked;

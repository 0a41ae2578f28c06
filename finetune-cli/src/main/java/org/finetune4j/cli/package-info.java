/** The {@code finetune} command: one class a subcommand. */
@NullMarked
package org.finetune4j.cli;

import org.jspecify.annotations.NullMarked;

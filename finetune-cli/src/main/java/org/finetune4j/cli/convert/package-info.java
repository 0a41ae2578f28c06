/** Configurations of other projects, said in our words. */
@NullMarked
package org.finetune4j.cli.convert;

import org.jspecify.annotations.NullMarked;

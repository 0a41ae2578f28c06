/** The architectures that can be loaded, one file each, found by service loading. */
@NullMarked
package org.finetune4j.model.architecture;

import org.jspecify.annotations.NullMarked;

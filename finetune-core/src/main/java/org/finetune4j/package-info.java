/** What every room shares: the exceptions of the library, name suggestions and atomic file replacement. */
@NullMarked
package org.finetune4j;

import org.jspecify.annotations.NullMarked;

/** Small programs that show the library at work. */
@NullMarked
package org.finetune4j.examples;

import org.jspecify.annotations.NullMarked;

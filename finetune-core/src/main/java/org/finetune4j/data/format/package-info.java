/**
 * What records of the usual datasets mean: one class a format, found through {@link java.util.ServiceLoader}. A format
 * turns a JSON record into an {@link org.finetune4j.data.format.Example}; it knows nothing of files and tokens.
 */
@NullMarked
package org.finetune4j.data.format;

import org.jspecify.annotations.NullMarked;

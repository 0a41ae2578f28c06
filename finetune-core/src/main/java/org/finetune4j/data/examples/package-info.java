/** Datasets of typed examples, from files of any container and format. */
@NullMarked
package org.finetune4j.data.examples;

import org.jspecify.annotations.NullMarked;

/** The plug for fine-tuning methods: what trains, and what is written. Methods are found by service loading. */
@NullMarked
package org.finetune4j.strategy;

import org.jspecify.annotations.NullMarked;

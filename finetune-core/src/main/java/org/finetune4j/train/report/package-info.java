/** What people see of a training run: progress on the console, TensorBoard event files, a metrics log, an HTML page. */
@NullMarked
package org.finetune4j.train.report;

import org.jspecify.annotations.NullMarked;

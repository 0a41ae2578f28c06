/** Services that are asked over HTTP. */
@NullMarked
package org.finetune4j.rlhf.http;

import org.jspecify.annotations.NullMarked;

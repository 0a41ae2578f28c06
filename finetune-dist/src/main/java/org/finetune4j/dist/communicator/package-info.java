/** What ranks say to each other: one interface, and the engines behind it. */
@NullMarked
package org.finetune4j.dist.communicator;

import org.jspecify.annotations.NullMarked;

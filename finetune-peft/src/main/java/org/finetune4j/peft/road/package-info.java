/** RoAd: pairs of a layer's outputs are rotated and scaled. */
@NullMarked
package org.finetune4j.peft.road;

import org.jspecify.annotations.NullMarked;

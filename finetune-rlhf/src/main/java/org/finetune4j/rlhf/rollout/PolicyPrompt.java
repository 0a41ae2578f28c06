package org.finetune4j.rlhf.rollout;

import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a policy is asked. The array is not copied.
 *
 * @param index its number among the prompts of the training
 * @param text as the model is asked, special tokens spelt out
 * @param ids its tokens
 * @param columns what its record says besides, for rewards
 */
public record PolicyPrompt(int index, String text, int[] ids, Map<String, @Nullable Object> columns) {}

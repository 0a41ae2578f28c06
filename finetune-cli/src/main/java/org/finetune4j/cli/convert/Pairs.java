package org.finetune4j.cli.convert;

import java.util.Objects;

/** Batches of losses that compare the answers of a batch. */
final class Pairs {

    private Pairs() {}

    /** KTO estimates a divergence by answers to other prompts of the batch: one by one there is none, so two go together. */
    static void requireTwo(Conversion conversion) {
        boolean alone = number(conversion, "per_device_train_batch_size", 8) == 1;
        if (alone && Objects.equals(conversion.ours("stage"), "kto")) {
            int accumulated = number(conversion, "gradient_accumulation_steps", 1);
            conversion.put("per_device_train_batch_size", 2);
            conversion.put("gradient_accumulation_steps", Math.max(1, accumulated / 2));
            conversion.note("per_device_train_batch_size: kto compares the answers of a batch, so 2 go together and"
                    + " half as many batches make a step");
        }
    }

    private static int number(Conversion conversion, String key, int fallback) {
        return conversion.ours(key) instanceof Number number ? number.intValue() : fallback;
    }
}

package org.finetune4j.train.preflight;

import java.util.Locale;
import java.util.Set;
import org.finetune4j.train.arguments.TrainingArguments;

/** The learning rate is of the size that its method and an Adam want: full fine-tuning 1e-5 to 5e-5, adapters about ten times
 * as much, soft prompts and scales more. Half and double of that pass. */
public final class LearningRateCheck implements PreflightCheck {

    private static final Set<String> ADAMS = Set.of("adamw", "adam", "adamw_8bit", "paged_adamw_8bit");
    private static final Set<String> PROMPTS = Set.of(
            "prompt",
            "prompt_tuning",
            "multitask_prompt_tuning",
            "prefix",
            "prefix_tuning",
            "p_tuning",
            "ptuning",
            "ptuning_v2",
            "ia3");

    @Override
    public void check(PreflightContext context, Findings findings) {
        TrainingArguments arguments = context.arguments();
        if (!ADAMS.contains(arguments.optimizer().name())) {
            return;
        }
        double low = 1e-5;
        double high = 5e-5;
        if (PROMPTS.contains(context.method())) {
            low = 1e-3;
            high = 0.3;
        } else if (!context.method().equals("full")) {
            low = 1e-4;
            high = 5e-4;
        }
        double rate = arguments.learningRate();
        if (rate < low / 2 || rate > high * 2) {
            findings.warning(String.format(
                    Locale.ROOT,
                    "learning_rate is %.3g; for method %s with %s, %.0e to %.0e is usual",
                    rate,
                    context.method(),
                    arguments.optimizer().name(),
                    low,
                    high));
        }
    }
}

package org.finetune4j.peft.prompt;

import java.util.List;
import java.util.Map;
import org.finetune4j.Settings;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.promptlearning.PromptInitialization;
import org.finetune4j.peft.promptlearning.PromptInitialization.Kind;
import org.finetune4j.peft.promptlearning.PromptKeys;
import org.finetune4j.peft.promptlearning.PromptKeys.Sizes;
import org.jspecify.annotations.Nullable;

/**
 * The settings of prompt tuning, with PEFT's names.
 *
 * @param virtualTokens length of the prompt
 * @param initialization what it starts from
 * @param madeFor the base model of a stored adapter
 */
public record PromptTuningConfig(int virtualTokens, PromptInitialization initialization, Sizes madeFor) {

    static final String PEFT_TYPE = "PROMPT_TUNING";

    private static final List<Kind> STARTS = List.of(Kind.RANDOM, Kind.TEXT, Kind.SAMPLE_VOCAB);

    /**
     * Checks the number.
     *
     * @param virtualTokens length of the prompt
     * @param initialization what it starts from
     * @param madeFor the base model of a stored adapter
     * @throws IllegalArgumentException when there are no virtual tokens
     */
    public PromptTuningConfig {
        if (virtualTokens < 1) {
            throw new IllegalArgumentException("virtualTokens must be positive: " + virtualTokens);
        }
    }

    /**
     * {@return a prompt that starts from tokens drawn from the vocabulary}
     *
     * @param virtualTokens at least 1
     */
    public static PromptTuningConfig of(int virtualTokens) {
        return new PromptTuningConfig(virtualTokens, PromptInitialization.vocabulary(), Sizes.unknown());
    }

    /**
     * {@return the same with another start}
     *
     * @param other what the prompt starts from
     */
    public PromptTuningConfig startingFrom(PromptInitialization other) {
        return new PromptTuningConfig(virtualTokens, other, madeFor);
    }

    static PromptTuningConfig from(Settings settings, boolean fromFile) {
        PromptKeys.refuseOthers(settings, PEFT_TYPE, List.of("tokenizer_name_or_path", "tokenizer_kwargs"));
        return new PromptTuningConfig(
                PromptKeys.virtualTokens(settings),
                fromFile
                        ? PromptInitialization.random()
                        : PromptInitialization.from(settings, STARTS, Kind.SAMPLE_VOCAB),
                fromFile ? Sizes.from(settings) : Sizes.unknown());
    }

    /** @param stored whether the file that was read says what the prompt started from */
    Map<String, @Nullable Object> toJson(CausalLM model, boolean stored) {
        Map<String, @Nullable Object> json =
                PromptKeys.toJson(PEFT_TYPE, virtualTokens, PromptKeys.ofEmbeddings(model));
        if (!stored) {
            boolean text = initialization.kind() == Kind.TEXT;
            json.put("prompt_tuning_init", initialization.kind().name());
            json.put("prompt_tuning_init_text", initialization.text());
            // PEFT asks for a tokenizer where there is a text.
            json.put("tokenizer_name_or_path", text ? model.nameOrPath() : null);
        }
        return json;
    }
}

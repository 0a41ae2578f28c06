package org.finetune4j.peft.prompt;

import java.util.LinkedHashMap;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.peft.InitialValues;
import org.finetune4j.peft.promptlearning.MultitaskEncoder;
import org.finetune4j.peft.promptlearning.PromptEncoder;
import org.finetune4j.tensor.Device;
import org.finetune4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Multi-task prompt tuning (Wang et al. 2023, arXiv:2303.02861): tasks share virtual tokens, each changes them by factors
 * of its own. With more than one task every sequence says which is its own ({@link org.finetune4j.data.Sample#TASK}).
 */
public final class MultitaskPromptTuning extends EmbeddingPrompt {

    /** The standard deviation that PEFT draws factors with. */
    private static final double FACTOR_DEVIATION = 0.02;

    private final MultitaskPromptTuningConfig config;

    MultitaskPromptTuning(MultitaskPromptTuningConfig config, boolean stored) {
        super(MultitaskPromptTuningMethod.NAME, config.madeFor(), stored);
        this.config = config;
    }

    /**
     * {@return multi-task prompt tuning with these settings}
     *
     * @param config the settings
     */
    public static MultitaskPromptTuning of(MultitaskPromptTuningConfig config) {
        return new MultitaskPromptTuning(config, false);
    }

    @Override
    public int tasks() {
        return config.tasks();
    }

    @Override
    PromptEncoder encoder(CausalLM model, boolean trainable) {
        int tokens = config.virtualTokens();
        long width = model.network().inputEmbedding().weight().size(1);
        SourcePrompt source = config.source();
        if (source == null) {
            return new MultitaskEncoder(
                    model,
                    PromptTuning.table(model, config.initialization(), tokens),
                    columns(model.device()),
                    rows(model.device(), width),
                    trainable);
        }
        boolean sharedAlone = source.part() == SourcePrompt.Part.ONLY_SOURCE_SHARED;
        Device device = model.device();
        return new MultitaskEncoder(
                model,
                source.shared(tokens, width).to(device),
                sharedAlone
                        ? columns(device)
                        : source.factor(MultitaskEncoder.COLUMNS, tokens, config.ranks())
                                .to(device),
                sharedAlone
                        ? rows(device, width)
                        : source.factor(MultitaskEncoder.ROWS, config.ranks(), width)
                                .to(device),
                trainable);
    }

    private Tensor columns(Device device) {
        return InitialValues.normal(device, FACTOR_DEVIATION, config.tasks(), config.virtualTokens(), config.ranks());
    }

    private Tensor rows(Device device, long width) {
        return InitialValues.normal(device, FACTOR_DEVIATION, config.tasks(), config.ranks(), width);
    }

    @Override
    Map<String, @Nullable Object> configuration(CausalLM model) {
        return config.toJson(model, isStored());
    }

    @Override
    public Map<String, Object> settings() {
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("num_virtual_tokens", config.virtualTokens());
        shown.put("num_tasks", config.tasks());
        shown.put("num_ranks", config.ranks());
        SourcePrompt source = config.source();
        shown.put(
                "prompt_tuning_init",
                source == null
                        ? config.initialization().kind().name()
                        : source.part().name());
        return shown;
    }
}

package org.finetune4j.peft.prefix;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.finetune4j.model.CausalLM;
import org.finetune4j.nn.KeyValueCache.KeyValues;
import org.finetune4j.peft.AdapterConstruction;
import org.finetune4j.peft.InitialValues;
import org.finetune4j.peft.PeftStrategy;
import org.finetune4j.peft.promptlearning.FeedForwardEncoder;
import org.finetune4j.peft.promptlearning.PromptAdapter;
import org.finetune4j.peft.promptlearning.PromptEncoder;
import org.finetune4j.peft.promptlearning.PromptInitialization;
import org.finetune4j.peft.promptlearning.PromptInitialization.Kind;
import org.finetune4j.peft.promptlearning.TableEncoder;
import org.finetune4j.strategy.DeltaKind;
import org.finetune4j.tensor.Tensor;

/**
 * Prefix tuning (Li and Liang 2021) and P-tuning v2 (Liu et al. 2022): the model stays as it is, and every layer sees
 * learned keys and values before those of the tokens.
 */
public final class PrefixTuning implements PeftStrategy {

    private final String method;
    private final PrefixTuningConfig config;
    private final boolean stored;

    PrefixTuning(String method, PrefixTuningConfig config, boolean stored) {
        this.method = method;
        this.config = config;
        this.stored = stored;
    }

    /**
     * {@return prefix tuning with these settings}
     *
     * @param config the settings
     */
    public static PrefixTuning of(PrefixTuningConfig config) {
        return new PrefixTuning(PrefixTuningMethod.NAME, config, false);
    }

    @Override
    public String method() {
        return method;
    }

    @Override
    public DeltaKind deltaKind() {
        return DeltaKind.ADDITION;
    }

    @Override
    public boolean mergesIntoBase() {
        return false;
    }

    @Override
    public double defaultLearningRate() {
        return PromptInitialization.LEARNING_RATE;
    }

    @Override
    public PromptAdapter attach(CausalLM model, boolean trainable) {
        try (AdapterConstruction construction = AdapterConstruction.on(model)) {
            PrefixShape shape = PrefixShape.of(model);
            config.madeFor().check(shape.sizes());
            return construction.complete(PromptAdapter.attach(
                    model,
                    () -> encoder(model, shape, trainable),
                    shape::layout,
                    config.toJson(shape),
                    stored,
                    trainable));
        }
    }

    private PromptEncoder encoder(CausalLM model, PrefixShape shape, boolean trainable) {
        int tokens = config.virtualTokens();
        Kind kind = config.initialization().kind();
        if (config.projection()) {
            return FeedForwardEncoder.prefix(
                    model, tokens, shape.tokenDim(), config.hidden(shape), shape.width(), kind == Kind.ZERO, trainable);
        }
        Tensor values =
                switch (kind) {
                    case RANDOM -> InitialValues.normal(model.device(), 1, tokens, shape.width());
                    case ZERO -> InitialValues.zeros(model.device(), tokens, shape.width());
                    case TEXT, SAMPLE_VOCAB ->
                        activations(model, shape, config.initialization().tokens(model, tokens));
                };
        return new TableEncoder(model, values, trainable);
    }

    /** The keys and values that the model itself makes of tokens: the prefix is as good as these tokens at first. */
    private static Tensor activations(CausalLM model, PrefixShape shape, int[] tokens) {
        List<KeyValues> layers = LayerRecorder.record(model, tokens);
        try {
            return shape.whole(LayerRecorder.table(layers));
        } finally {
            LayerRecorder.close(layers);
        }
    }

    @Override
    public Map<String, Object> settings() {
        Map<String, Object> shown = new LinkedHashMap<>();
        shown.put("num_virtual_tokens", config.virtualTokens());
        shown.put("prefix_projection", config.projection());
        shown.put("prompt_tuning_init", config.initialization().kind().name());
        return shown;
    }
}
